/** Certificates for tests: an authority, a server and a client it vouches for, and a stranger that another one does. By openssl. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificates {
  readonly directory: string
  /** Paths of PEM files. */
  readonly ca: string
  readonly server: Pair
  readonly client: Pair
  /** Of an authority that nobody trusts. */
  readonly stranger: Pair & { readonly ca: string }
  remove(): void
}
interface Pair {
  readonly cert: string
  readonly key: string
}

/** The server's is for 127.0.0.1 and localhost. */
export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-certificates-'))
  const at = (name: string) => join(directory, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore', cwd: directory })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const authority = (name: string) => {
    openssl('req', '-x509', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`)
    return at(`${name}.pem`)
  }
  writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n')
  const signed = (name: string, by: string): Pair => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const request = ['-req', '-in', `${name}.csr`, '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial']
    openssl('x509', ...request, '-days', '2', '-extfile', 'names', '-out', `${name}.pem`)
    return { cert: at(`${name}.pem`), key: at(`${name}.key`) }
  }
  const ca = authority('authority')
  const otherCa = authority('nobody')
  return {
    directory,
    ca,
    server: signed('server', 'authority'),
    client: signed('client', 'authority'),
    stranger: { ca: otherCa, ...signed('stranger', 'nobody') },
    remove: () => rmSync(directory, { recursive: true }),
  }
}
