/** A lean HTTP client for load: connections of their own, one request at a time on each, whole answers by their length. */
import { connect } from 'node:net'

export interface Answered {
  readonly perSecond: number
  readonly count: number
  /** In ms, sorted. */
  readonly times: readonly number[]
  /** Bodies of the first answers. */
  readonly samples: readonly string[]
}

const SAMPLES = 100

/** Asks for `seconds` over `connections`; `next` gives the bytes of each request. Rejects at the first answer that is not 200. */
export async function load(url: string, connections: number, seconds: number, next: () => string): Promise<Answered> {
  const { hostname: host, port } = new URL(url)
  const times: number[] = []
  const samples: string[] = []
  const began = performance.now()
  const until = began + seconds * 1_000
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ host, port: Number(port), noDelay: true })
      let sentAt = 0
      let got: Buffer = Buffer.alloc(0)
      const ask = () => {
        sentAt = performance.now()
        if (sentAt < until) socket.write(next())
        else socket.end(resolve)
      }
      socket.once('connect', ask)
      socket.once('error', reject)
      socket.on('data', (data: Buffer) => {
        got = got.length === 0 ? data : Buffer.concat([got, data])
        const body = got.indexOf('\r\n\r\n') + 4
        if (body < 4) return
        const head = got.toString('latin1', 0, body)
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
        if (got.length < body + length) return
        if (!head.startsWith('HTTP/1.1 200')) reject(new Error(`${head}${got.subarray(body)}`))
        times.push(performance.now() - sentAt)
        if (samples.length < SAMPLES) samples.push(got.toString('utf8', body))
        got = Buffer.alloc(0)
        ask()
      })
    })
  await Promise.all(Array.from({ length: connections }, one))
  const perSecond = times.length / ((performance.now() - began) / 1_000)
  return { perSecond, count: times.length, times: times.sort((a, b) => a - b), samples }
}
