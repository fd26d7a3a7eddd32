import { lstat, readFile, stat } from 'node:fs/promises'
import { MAX_BYTES, YamlFile } from './yaml.ts'

export interface FileRead {
  readonly file: YamlFile
  /** Undefined where it cannot be read; why is the file's problem. */
  readonly text: string | undefined
  /** When it was written. */
  readonly modified: number
}

/** Undefined when there is nothing at `path`. What stands there and cannot be read is a problem of the file, called `name`. */
export async function readYaml(path: string, name: string): Promise<FileRead | undefined> {
  try {
    await lstat(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined
    return unreadable(name, `it cannot be read (${codeOf(error)})`)
  }
  try {
    const found = await stat(path)
    // a pipe would be waited for, and a device have no end
    if (!found.isFile()) return unreadable(name, found.isDirectory() ? 'it is a folder' : 'it is no regular file')
    const text = found.size > MAX_BYTES ? ' '.repeat(MAX_BYTES + 1) : await readFile(path, 'utf8')
    return { file: new YamlFile(name, text), text, modified: Math.floor(found.mtimeMs) }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') return unreadable(name, 'it is a link that leads nowhere')
    return unreadable(name, code === 'ELOOP' ? 'it is a link that leads in a circle' : `it cannot be read (${code})`)
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code as string

function unreadable(name: string, message: string): FileRead {
  const file = new YamlFile(name, '')
  file.addAt(0, { code: 'file-unreadable', message, expected: 'a file' })
  return { file, text: undefined, modified: 0 }
}
