/** Files of a project are imported so that edits are seen: of the file that is named, and of those of the project that it imports. */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import module from 'node:module'
import { extname, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Millis } from './model.ts'

export interface Imported {
  readonly exported: { readonly default?: unknown }
  /** Changes with the text of the files. */
  readonly digest: string
  /** When the newest of the files was written. */
  readonly modified: Millis
}

interface Known extends Imported {
  /** The file, and those of the project that it imports, directly or not. */
  readonly files: readonly string[]
}

const known = new Map<string, Known>()
/** By the mark of an import that is under way or done: the folder whose files are imported anew, and those that were. */
const marks = new Map<string, { readonly root: string; readonly files: Set<string> }>()

/** Imports the file; again only where it, or a file below `root` that it imports, has changed. Throws what the import throws. */
export async function importFile(root: string, file: string): Promise<Imported> {
  const before = known.get(file)
  if (before && before.digest === (await digestOf(before.files))) return before
  hookImports()
  const mark = `millrace=${marks.size + 1}`
  const files = new Set([file])
  marks.set(mark, { root: root + sep, files })
  const exported = (await import(`${pathToFileURL(file).href}?${mark}`)) as Imported['exported']
  const times = await Promise.all([...files].map(async (each) => (await stat(each)).mtimeMs))
  const imported: Known = {
    exported,
    files: [...files],
    digest: await digestOf([...files]),
    modified: Math.floor(Math.max(...times)),
  }
  known.set(file, imported)
  return imported
}

async function digestOf(files: readonly string[]): Promise<string> {
  const digest = createHash('sha256')
  for (const file of [...files].sort()) digest.update(await readFile(file).catch(() => 'gone'))
  return digest.digest('hex').slice(0, 8)
}

let isHooked = false

function hookImports(): void {
  if (isHooked) return
  isHooked = true
  module.registerHooks({ resolve })
}

const suffix = extname(import.meta.url)
/** `millrace` means this program to a part, wherever its project has or has not installed it. */
const OURS: Readonly<Record<string, string>> = {
  millrace: new URL(`../index${suffix}`, import.meta.url).href,
  'millrace/testing': new URL(`../testing/index${suffix}`, import.meta.url).href,
}

/** Files of the project that a marked file imports bear its mark; CommonJS and packages are loaded once. */
export const resolve: module.ResolveHookSync = (specifier, context, next) => {
  const own = OURS[specifier]
  if (own !== undefined) return next(own, context)
  const found = next(specifier, context)
  const mark = context.parentURL?.split('?')[1] ?? ''
  const by = marks.get(mark)
  if (!by || !found.url.startsWith('file:') || found.format?.startsWith('commonjs')) return found
  const file = fileURLToPath(found.url)
  if (!file.startsWith(by.root) || file.includes(`${sep}node_modules${sep}`)) return found
  by.files.add(file)
  return { ...found, url: `${found.url}?${mark}` }
}
