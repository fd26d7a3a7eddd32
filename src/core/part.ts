/**
 * Parts: one file (or folder with index.ts) each, found by its name in YAML. The file's default export declares
 * what it is; validation, JSON Schema, reference pages and conformance tests follow by enumerating the folder.
 */
import { readdirSync } from 'node:fs'
import { extname } from 'node:path'
import type { z } from 'zod'
import { MillraceError } from './errors.ts'

export type PartFolder = 'transports' | 'registries' | 'state' | 'stores' | 'sinks' | 'aggregations' | 'operators'

/** `C` is the validated configuration, `T` what the part is once opened. */
export interface Part<C, T> {
  /** One sentence for the reference page. */
  readonly summary: string
  /** Settings, each with a `.describe()` giving its unit and meaning. Strict: unknown keys are refused. */
  readonly config: z.ZodType<C>
  /** A YAML fragment that is valid; executed by a test. */
  readonly example: string
  /** Further paragraphs for the reference page: guarantees, limits, sources. */
  readonly notes?: string
  /**
   * Of a part of your own: raise it when what the code before remembered cannot be read or means something else now. What it
   * remembers then starts anew. 1 when left out.
   */
  readonly version?: number
  /** Makes it. A vendor's SDK is imported in here, so that parts not used never load theirs. */
  open(config: C, context: PartContext): Promise<T> | T
}

/** What a part is told when it is opened. */
export interface PartContext {
  /** Folder that relative paths in the configuration start from. */
  readonly directory: string
  /** Prefix of everything this deployment names in shared services. */
  readonly deployment: string
  readonly log: Log
}

/** Structured log. Never given secrets, event contents or entity ids. */
export interface Log {
  /** For whoever looks for a fault; not written unless asked for. */
  debug(fields: object, message: string): void
  /** What happens in the normal course. */
  info(fields: object, message: string): void
  /** Something is not as it should be; work goes on. */
  warn(fields: object, message: string): void
  /** Work stands still or has stopped: somebody has to look. */
  error(fields: object, message: string): void
}

const silent = () => undefined
/** For whoever says in another way what goes wrong. */
export const SILENT: Log = { debug: silent, info: silent, warn: silent, error: silent }
/** For parts that are opened to be asked, not to run. */
export const NOWHERE: PartContext = { directory: '.', deployment: '', log: SILENT }

const root = new URL('../', import.meta.url)

/** Names of the parts in a folder, sorted. */
export function partNames(folder: PartFolder): string[] {
  return readdirSync(new URL(`${folder}/`, root), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || /(?<!\.d)\.(ts|js)$/.test(entry.name))
    .map((entry) => entry.name.replace(/\.(ts|js)$/, ''))
    .sort()
}

/** Loads a part by name. Throws `part-unknown` with the names there are. */
export async function loadPart<C, T>(folder: PartFolder, name: string): Promise<Part<C, T>> {
  const entry = readdirSync(new URL(`${folder}/`, root), { withFileTypes: true }).find(
    (found) => found.name.replace(/\.(ts|js)$/, '') === name && !found.name.endsWith('.d.ts'),
  )
  if (!entry)
    throw new MillraceError('part-unknown', `no '${name}' in ${folder}; there are ${partNames(folder).join(', ')}`)
  const path = entry.isDirectory() ? `${folder}/${name}/index${extname(import.meta.url)}` : `${folder}/${entry.name}`
  const module = (await import(new URL(path, root).href)) as { default: Part<C, T> }
  return module.default
}
