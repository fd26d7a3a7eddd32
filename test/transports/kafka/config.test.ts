import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parse } from 'yaml'
import kafka from '../../../src/transports/kafka/index.ts'
import { openKafka, Said } from './open.ts'

describe('the configuration', () => {
  it('has a valid example', () => {
    const { transport } = parse(kafka.example) as { transport: { kind: string } }
    const { kind, ...settings } = transport
    expect(kind).toBe('kafka')
    expect(kafka.config.parse(settings)).toMatchObject({ sessionTimeout: 10_000, maxWaitTime: 200 })
  })

  it.each([
    { brokers: [] },
    { brokers: ['no-port'] },
    { brokers: ['a:1'], unknown: 1 },
    { brokers: ['a:1'], sasl: { mechanism: 'plain' } },
    { brokers: ['a:1'], sessionTimeout: '1s', heartbeat: '1s' },
  ])('refuses $0', (config) => {
    expect(kafka.config.safeParse(config).success).toBe(false)
  })
})

describe('where nothing like Kafka answers', () => {
  it('rejects in bounded time, and names no password in errors or log', async () => {
    const server = createServer((socket) => socket.end('not kafka'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as { port: number }
    const log = new Said()
    const sasl = { mechanism: 'plain', username: 'me', password: 'hunter2' }
    const transport = await openKafka([`127.0.0.1:${port}`], { sasl, retryFor: '300ms', requestTimeout: '500ms' }, log)
    onTestFinished(() => transport.close())
    const failure = await transport.topics(['orders']).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'transport-failed' })
    expect(String(failure) + log.lines.join('\n')).not.toContain('hunter2')
  })
})
