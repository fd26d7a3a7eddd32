import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type Argument, encode, send } from '../../../src/connections/redis/request.ts'
import { Chance } from '../../fuzz/chance.ts'

/** As the protocol says it. */
function expected(args: readonly Argument[]): Buffer {
  const parts = args.map((argument) => {
    const bytes = typeof argument === 'object' ? Buffer.from(argument) : Buffer.from(String(argument))
    return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
  })
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts])
}

const sent = (lists: readonly (readonly Argument[])[]) => Buffer.from(encode(lists) as string)

function someArgument(chance: Chance): Argument {
  const kind = chance.int(8)
  if (kind === 0) return chance.int(100_000)
  if (kind < 4) return Uint8Array.from(chance.list(chance.odds(0.1) ? 3_000 : 40, () => chance.int(256)))
  const letters = kind === 4 ? [...'az\r\n$*', 'ü', '한', '😀', '\ud800'] : [...'az09:{}\r\n$*']
  return chance.list(chance.odds(0.1) ? 3_000 : 40, () => chance.pick(letters)).join('')
}

describe('a request', () => {
  it('is what the protocol says, whatever its arguments are', () => {
    const chance = new Chance(5)
    const made = Array.from({ length: 500 }, () => {
      const lists = chance.list(4, () => chance.list(12, () => someArgument(chance)))
      return { lists, encoded: sent(lists), kept: encode(lists) }
    })
    for (const { lists, encoded, kept } of made) {
      expect(encoded.equals(expected(lists.flat())), lists.join()).toBe(true)
      // those after it have not touched it
      expect(encoded.equals(Buffer.from(kept as string))).toBe(true)
    }
  })

  it('may be larger than the room of many', () => {
    const args = ['evalsha', ...Array.from({ length: 9 }, (_, i) => Buffer.alloc(30_000, i)), 'ü'.repeat(99_999)]
    expect(sent([args]).equals(expected(args))).toBe(true)
  })
})

it('a request without an answer fails in time, and what is answered too late is nobody’s', async () => {
  const sockets: Socket[] = []
  const answers = ['+first\r\n', '+second\r\n']
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      if (data.includes('second')) for (const answer of answers) socket.write(answer)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new Redis((server.address() as AddressInfo).port, '127.0.0.1', {
    protocol: 2,
    commandTimeout: 100,
    enableReadyCheck: false,
    disableClientInfo: true,
  })
  await expect(send(client, ['get', 'first'])).rejects.toThrow('Command timed out')
  client.options.commandTimeout = 30_000
  await expect(send(client, ['get', 'second'])).resolves.toEqual(Buffer.from('second'))
  client.disconnect()
  for (const socket of sockets) socket.destroy()
  server.close()
})
