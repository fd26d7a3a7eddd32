/** TLS settings, the same wherever a connection may have it: files, whose contents are never shown. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import { MillraceError } from './errors.ts'

export const file = (what: string, kind = 'PEM file') =>
  z.string().min(1).optional().describe(`${what}: path of a ${kind}.`)

const FILES = {
  ca: file('Authorities to trust in the place of those that Node trusts'),
  cert: file('Certificate by which we are known, with those between it and the authority'),
  key: file('Its private key'),
} as const

/** `tls: true`, or files of your own. */
export const tlsSettings = z
  .union(
    [
      z.boolean(),
      z.strictObject(FILES).refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
        message: '`cert` and `key` stand only together',
        params: { expected: 'both, or none' },
      }),
    ],
    'true, false, or a mapping of files: ca, cert, key',
  )
  .optional()
  .describe(
    'TLS: `true` for the authorities that Node trusts, or files of your own; the name of the server is checked always.',
  )

export type TlsSettings = z.output<typeof tlsSettings>

/** What Node's TLS takes. */
export interface TlsFiles {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

/**
 * The files, read and tried; undefined where there is to be no TLS. Relative paths start from `directory`. Throws
 * `config-invalid` that names the file.
 */
export async function readTls(tls: TlsSettings, directory: string): Promise<TlsFiles | undefined> {
  if (tls === undefined || tls === false) return undefined
  if (tls === true) return {}
  const named = Object.entries(tls) as [keyof typeof FILES, string | undefined][]
  const read: { -readonly [K in keyof TlsFiles]: Buffer } = {}
  for (const [name, path] of named) if (path !== undefined) read[name] = await readNamed(path, directory, `tls.${name}`)
  try {
    createSecureContext(read)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new MillraceError(
      'config-invalid',
      `the files of tls (${named.map(([, path]) => path).join(', ')}) do not fit: ${code}`,
    )
  }
  return read
}

/** A file that a setting names. Throws `config-invalid` with the setting and the path. */
export async function readNamed(path: string, directory: string, setting: string): Promise<Buffer> {
  return readFile(resolve(directory, path)).catch((error: NodeJS.ErrnoException) => {
    throw new MillraceError('config-invalid', `${setting} is ${path}, which cannot be read: ${error.code}`)
  })
}
