import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MillraceError } from '../core/errors.ts'

/** Answers the base URL. Port 0 takes a free one. Throws `port-unavailable`. */
export function listen(server: Server, host: string, port: number): Promise<{ readonly url: string }> {
  return new Promise((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) =>
      reject(new MillraceError('port-unavailable', `cannot listen on ${host}:${port}: ${error.code}`))
    server.once('error', refused)
    server.listen(port, host, () => {
      server.off('error', refused)
      resolve({ url: urlOf(host, (server.address() as AddressInfo).port) })
    })
  })
}

function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://localhost:${port}`
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
