import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readTls, tlsSettings } from '../../src/core/tls.ts'

const directory = mkdtempSync(join(tmpdir(), 'millrace-tls-'))
afterAll(() => rmSync(directory, { recursive: true }))
writeFileSync(join(directory, 'broken.pem'), '-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n')
writeFileSync(join(directory, 'none.pem'), '')

describe('TLS', () => {
  it('is off when left out or false, and by the authorities that Node trusts when true', async () => {
    expect(await readTls(undefined, directory)).toBeUndefined()
    expect(await readTls(false, directory)).toBeUndefined()
    expect(await readTls(true, directory)).toEqual({})
  })

  it("takes files of one's own, from the folder of the configuration, those that are named", async () => {
    expect(await readTls({ ca: 'none.pem', cert: undefined }, directory)).toEqual({ ca: Buffer.alloc(0) })
  })

  it('names a file that is not there, and files that do not fit, never what is in them', async () => {
    await expect(readTls({ ca: 'missing.pem' }, directory)).rejects.toThrow(
      'tls.ca is missing.pem, which cannot be read: ENOENT',
    )
    const refused = await readTls({ cert: 'broken.pem', key: 'broken.pem' }, directory).catch((error: Error) => error)
    expect(refused).toMatchObject({ code: 'config-invalid', message: expect.stringContaining('broken.pem') })
    expect((refused as Error).message).not.toContain('hunter2')
  })

  it('has a certificate and its key together or neither', () => {
    expect(tlsSettings.safeParse({ cert: 'a.pem' }).success).toBe(false)
    expect(tlsSettings.safeParse({ cert: 'a.pem', key: 'b.pem' }).success).toBe(true)
  })
})
