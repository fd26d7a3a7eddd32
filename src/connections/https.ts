/** One HTTP request at a time, with TLS of one's own: what `fetch` has no setting for. Redirects are not followed. */
import { request as plain } from 'node:http'
import { request as secure } from 'node:https'
import type { TlsFiles } from '../core/tls.ts'

export interface Question {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly signal: AbortSignal
  /** Of the answer. */
  readonly mostBytes: number
}

export interface Answer {
  readonly status: number
  /** Undefined when it is too long. */
  readonly text: string | undefined
}

/** Rejects with what broke the connection, or when the signal is given. */
export function ask(url: string, tls: TlsFiles | undefined, question: Question): Promise<Answer> {
  const { method, headers, body, signal, mostBytes } = question
  const request = url.startsWith('https:') ? secure : plain
  return new Promise((resolve, reject) => {
    const asking = request(url, { method, headers, signal, agent: false, ...tls }, async (response) => {
      try {
        const chunks: Uint8Array[] = []
        let bytes = 0
        // leaving the loop ends the connection
        for await (const chunk of response as AsyncIterable<Uint8Array>) {
          bytes += chunk.length
          if (bytes > mostBytes) break
          chunks.push(chunk)
        }
        const text = bytes > mostBytes ? undefined : Buffer.concat(chunks).toString('utf8')
        resolve({ status: response.statusCode as number, text })
      } catch (error) {
        reject(error)
      }
    })
    asking.on('error', reject)
    asking.end(body)
  })
}
