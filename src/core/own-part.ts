/** Parts of one's own: a TypeScript or JavaScript file of the project, named by its path in YAML. */
import { readdir, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, relative, resolve } from 'node:path'
import { types } from 'node:util'
import type { Millis } from './model.ts'
import { type Imported, importFile } from './own-import.ts'
import type { Part } from './part.ts'
import { nearest } from './suggest.ts'

/** `./parts/median.ts`: a name that is a path, from the project's directory. */
export function isOwnPart(name: string): boolean {
  return /^\.{1,2}\/.*\.[cm]?[tj]s$/.test(name)
}

/** The path that was meant by a name that looks like a file. */
export function meantPath(name: string): string | undefined {
  if (isOwnPart(name)) return undefined
  if (isOwnPart(`./${name}`)) return `./${name}`
  return /^\.\/.*\/?[^./]+$/.test(name) ? `${name}.ts` : undefined
}

/** The file cannot be used as a part: what was found, and what would be right. */
export class OwnPartFault extends Error {
  readonly expected: string
  readonly suggestion: string | undefined

  constructor(message: string, expected: string, options: ErrorOptions & { readonly suggestion?: string } = {}) {
    super(message, options)
    this.name = 'OwnPartFault'
    this.expected = expected
    this.suggestion = options.suggestion
  }
}

export interface OwnPart {
  /** As it is written in YAML. */
  readonly path: string
  readonly part: Part<unknown, unknown>
  /** What slots, and so accumulators, are named by: the path and the version that the part declares. */
  readonly name: string
  /** Changes with the text of the file and of those of the project that it imports. */
  readonly digest: string
  /** When the newest of them was written. */
  readonly modified: Millis
}

const SHAPE = 'export default { summary, config, example, open }, as docs/own-parts.md says'

/**
 * Loads the part. Its own imports of `millrace` get the program that runs. A file that has changed, or of which a file of the
 * project that it imports has, is loaded anew. Throws `OwnPartFault`, also for a path that leads out of the project.
 */
export async function loadOwnPart(directory: string, path: string): Promise<OwnPart> {
  const root = await realpath(resolve(directory))
  const file = await realpath(resolve(root, path)).catch(() => undefined)
  if (file === undefined) throw await missing(root, path)
  const inside = relative(root, file)
  if (inside.startsWith('..') || isAbsolute(inside))
    throw new OwnPartFault(`${path} is outside of the project`, 'a file in the project directory')
  const { exported, digest, modified } = await imported(root, file, path)
  const part = partOf(path, exported.default)
  return { path, part, name: `${path}@${part.version ?? 1}`, digest, modified }
}

async function missing(root: string, path: string): Promise<OwnPartFault> {
  const folder = dirname(path)
  const names = await readdir(resolve(root, folder)).catch(() => [])
  const near = nearest(path, names.map((name) => `${folder}/${name}`).filter(isOwnPart))
  const suggestion = near === undefined ? {} : { suggestion: near }
  return new OwnPartFault(`there is no file ${path}`, 'a path from the project directory', suggestion)
}

async function imported(root: string, file: string, path: string): Promise<Imported> {
  try {
    return await importFile(root, file)
  } catch (error) {
    const { message, code, stack = '' } = (error ?? {}) as NodeJS.ErrnoException
    const line = error instanceof SyntaxError || code?.includes('TYPESCRIPT') ? /:(\d+)\n/.exec(stack)?.[1] : undefined
    const place = line === undefined ? path : `${path}:${line}`
    const found = message?.split('\n')[0]?.replaceAll(`${root}/`, './') ?? String(error)
    throw new OwnPartFault(`${place} cannot be imported: ${found}`, expectationOf(code, found), { cause: error })
  }
}

function expectationOf(code: string | undefined, found: string): string {
  if (code !== 'ERR_MODULE_NOT_FOUND') return 'a module that loads'
  if (found.includes("'zod'")) return "import { z } from 'millrace'"
  return found.includes('package') ? 'a package that the project has installed' : 'a file that is there'
}

function partOf(path: string, value: unknown): Part<unknown, unknown> {
  if (value === undefined) throw new OwnPartFault(`${path} has no default export`, SHAPE)
  if (typeof value !== 'object' || value === null)
    throw new OwnPartFault(`the default export of ${path} is a ${typeof value}`, SHAPE)
  const { summary, config, open, version } = value as Partial<Record<string, unknown>>
  const fault = (name: string, expected: string) =>
    new OwnPartFault(`'${name}' of ${path} is ${kindOf(value, name)}`, `${name}: ${expected}`)
  if (typeof summary !== 'string') throw fault('summary', 'one sentence')
  if (typeof config !== 'object' || config === null || !('_zod' in config))
    throw fault('config', "z.strictObject({ … }), with z from 'millrace'")
  if (typeof open !== 'function') throw fault('open', '(config, context) => …')
  if (version !== undefined && !(Number.isSafeInteger(version) && (version as number) > 0))
    throw fault('version', 'a whole number from 1 on')
  return value as Part<unknown, unknown>
}

function kindOf(value: object, name: string): string {
  const found = (value as Record<string, unknown>)[name]
  return found === undefined ? 'missing' : `a ${typeof found}`
}

/** Throws `OwnPartFault` when a thing that a part made lacks a method. */
export function requireMethods(path: string, what: string, made: unknown, names: readonly string[]): void {
  if (typeof made !== 'object' || made === null)
    throw new OwnPartFault(`open() of ${path} gives ${made === null ? 'null' : `a ${typeof made}`}`, what)
  const missing = names.filter((name) => typeof (made as Record<string, unknown>)[name] !== 'function')
  if (missing.length > 0) throw new OwnPartFault(`what ${path} opens has no ${missing.join(', ')}`, what)
}

/** Also of a method that is async: what it answers is not waited for. Throws `OwnPartFault`. */
export function requireAnswers(path: string, what: string, made: unknown, names: readonly string[]): void {
  requireMethods(path, what, made, names)
  const late = names.filter((name) => types.isAsyncFunction((made as Record<string, unknown>)[name]))
  if (late.length > 0) throw new OwnPartFault(`${late.join(', ')} of what ${path} opens is async`, 'plain functions')
}
