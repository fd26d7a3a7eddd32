import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillraceError } from '../../core/errors.ts'

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path)
  await directory.sync()
}

/** Replaces a file, whole and durable, or leaves it as it was. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    {
      await using file = await open(temporary, 'wx')
      await file.writeFile(text)
      await file.sync()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw failure(error, path)
  }
  await syncDirectory(dirname(path))
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** The error of a file operation in Millrace's terms. */
export function failure(error: unknown, path: string): MillraceError {
  if (error instanceof MillraceError) return error
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new MillraceError('disk-full', `no room left to write ${path}`, { cause: error })
  return new MillraceError('transport-failed', `${path}: ${messageOf(error)}`, { cause: error })
}

/** For logs, which would show an error object without its message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
