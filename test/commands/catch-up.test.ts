import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { catchUp, Pace } from '../../src/commands/catch-up.ts'

let server: Server | undefined
afterEach(() => server?.close())

/** An API that answers one after the other, the last again and again. */
async function api(...answers: readonly object[]): Promise<string> {
  let asked = 0
  server = createServer((_request, response) => {
    response.end(JSON.stringify({ topologies: [answers[Math.min(asked++, answers.length - 1)]] }))
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const live = (lag: number, reasons: readonly string[] = []) => ({ tasks: { running: 1 }, reasons, lag, clock: null })

async function told(address: string, signal = new AbortController().signal) {
  const lines: string[] = []
  const done = await catchUp(address, new Map([['load', 'new']]), {
    error: (text) => lines.push(text),
    stopSignal: signal,
    environment: {},
  })
  return { done, lines }
}

describe('waiting until a generation serves', () => {
  it('ends when it does', async () => {
    const address = await api(
      { name: 'load', serving: 'old', live: live(1_200) },
      { name: 'load', serving: 'new', live: live(0) },
    )
    expect(await told(address)).toEqual({ done: true, lines: ['load: 1,200 records behind'] })
  })

  it('says why it does not get on', async () => {
    const address = await api(
      { name: 'load', serving: null, live: live(5, ['reduce/load: no room']) },
      { name: 'load', serving: 'new' },
    )
    expect((await told(address)).lines).toEqual(['load: 5 records behind; reduce/load: no room'])
  })

  it('waits for an API that is not there yet, until somebody stops it', async () => {
    const stop = new AbortController()
    const waiting = told('http://127.0.0.1:1', stop.signal)
    setTimeout(() => stop.abort(), 50)
    expect(await waiting).toEqual({ done: false, lines: ['nothing answers at http://127.0.0.1:1 yet; waiting'] })
  })
})

describe('the pace of a lag', () => {
  it('says how long it takes until nothing is left', () => {
    const pace = new Pace()
    expect(pace.left(1_000, 0)).toBeUndefined()
    expect(pace.left(900, 1_000)).toEqual({ perSecond: 100, ms: 9_000 })
    expect(pace.left(700, 2_000)).toEqual({ perSecond: 150, ms: 700 / 0.15 })
  })

  it('is that of the last while, and none where the lag grows', () => {
    const pace = new Pace()
    for (let second = 0; second <= 60; second++) pace.left(10_000 - 10 * second, second * 1_000)
    expect(pace.left(9_390, 61_000)?.perSecond).toBe(10)
    expect(pace.left(20_000, 62_000)).toBeUndefined()
  })
})
