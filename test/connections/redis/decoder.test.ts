import { createRequire } from 'node:module'
import { createServer, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { describe, expect, test, vi } from 'vitest'
import { Decoder, type DecoderOptions, type Several, useOwnDecoder } from '../../../src/connections/redis/decoder.ts'
import { Chance } from '../../fuzz/chance.ts'

type DecoderClass = new (options: DecoderOptions & object) => { write(chunk: Buffer): void }

const TheirModule = createRequire(import.meta.url)('ioredis/built/resp/decoder') as { Decoder: DecoderClass }
const Theirs = TheirModule.Decoder
/** What ioredis asks of its own for the second version of the protocol: texts as bytes. */
const asBytes = { onPush: () => undefined, getTypeMapping: () => ({ 36: Buffer, 43: Buffer }) }

function answersOf(Kind: DecoderClass, chunks: readonly Buffer[]): unknown[] {
  const answers: unknown[] = []
  const decoder = new Kind({
    ...asBytes,
    onReply: (reply) => answers.push(reply),
    onErrorReply: (error) => answers.push({ name: error.name, message: error.message }),
  })
  for (const chunk of chunks) decoder.write(chunk)
  return answers
}

/** What is told where the second command has so many answers. */
function severalOf(chunks: readonly Buffer[], count: number): unknown[] {
  const told: unknown[] = []
  let left = count
  const several: Several = {
    take: (answer) => {
      if (answer instanceof Error) told.push(answer.message)
      else {
        const { bytes, spans } = answer
        told.push(
          Array.from({ length: answer.count }, (_, i) => bytes.toString('utf8', spans[2 * i], spans[2 * i + 1])),
        )
      }
      return --left === 0
    },
  }
  const commands: Partial<Several>[] = [{}, several, {}]
  const client = { commandQueue: { peekFront: () => commands[0] && { command: commands[0] } } }
  const onReply = (reply: unknown) => {
    commands.shift()
    told.push(reply ?? 'last')
  }
  const decoder = new Decoder({ onReply, onErrorReply: () => undefined }, client)
  for (const chunk of chunks) decoder.write(chunk)
  return told
}

const someText = (chance: Chance) =>
  chance.list(chance.odds(0.2) ? 300 : 12, () => chance.pick([...'az0\r\n$*ü-'])).join('')

/** An answer as Redis would write it. */
function someAnswer(chance: Chance, depth = 0): string {
  const kind = chance.int(depth < 4 ? 8 : 6)
  if (kind === 0) return '$-1\r\n'
  if (kind === 1) return '*-1\r\n'
  if (kind === 2) return `:${chance.pick(['', '-', '+'])}${1 + chance.int(2 ** 40)}\r\n`
  if (kind === 3) return `+${'OK QUEUED'.slice(0, chance.int(10))}\r\n`
  if (kind === 4) return `-ERR ${chance.int(100)} is wrong\r\n`
  if (kind === 5) {
    const text = someText(chance)
    return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
  }
  const items = chance.list(4, () => someAnswer(chance, depth + 1))
  return `*${items.length}\r\n${items.join('')}`
}

function cut(chance: Chance, bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + chance.int(chance.pick([4, 200]))
    chunks.push(bytes.subarray(at, end))
    at = end
  }
  return chunks
}

describe('answers of Redis', () => {
  test('are those that the decoder of ioredis reads, wherever they are cut', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const chance = new Chance(seed)
      const bytes = Buffer.from(chance.list(12, () => someAnswer(chance)).join(''))
      const theirs = answersOf(Theirs, [bytes])
      expect(answersOf(Decoder, cut(chance, bytes)), `seed ${seed}`).toEqual(theirs)
      expect(answersOf(Decoder, [bytes]), `seed ${seed}, whole`).toEqual(theirs)
    }
  })

  test('are told as soon as they are complete', () => {
    const told: unknown[] = []
    const decoder = new Decoder({ onReply: (reply) => told.push(String(reply)), onErrorReply: () => undefined })
    decoder.write(Buffer.from('+one\r\n$3\r\nt'))
    expect(told).toEqual(['one'])
    decoder.write(Buffer.from('wo\r'))
    expect(told).toEqual(['one'])
    decoder.write(Buffer.from('\n'))
    expect(told).toEqual(['one', 'two'])
  })

  test('a long one that comes in many pieces is copied a few times, not with each piece', () => {
    const text = Buffer.alloc(1 << 20, 'x')
    const long = Buffer.concat([Buffer.from(`*2\r\n:1\r\n$${text.length}\r\n`), text, Buffer.from('\r\n')])
    const short = 'y'.repeat(1_000)
    const many = Buffer.from(`:1\r\n*1000\r\n${`$1000\r\n${short}\r\n`.repeat(1_000)}:2\r\n`)
    const pieces = (bytes: Buffer) => Array.from({ length: 65 }, (_, i) => bytes.subarray(i << 14, (i + 1) << 14))
    const set = vi.spyOn(Uint8Array.prototype, 'set')
    const [answer] = answersOf(Decoder, pieces(long)) as [[number, Buffer]]
    const several = severalOf(pieces(many), 1)
    const copied = set.mock.calls.reduce((sum, [piece]) => sum + piece.length, 0)
    set.mockRestore()
    expect(answer[1].equals(text)).toBe(true)
    expect(several).toEqual([1, new Array(1_000).fill(short), 'last', 2])
    expect(copied).toBeLessThan(4 * (long.length + many.length))
  })

  test('to a command with several are arrays of texts, wherever they are cut, and others are answered as ever', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const chance = new Chance(seed)
      const arrays = chance.list(6, () => chance.list(5, () => someText(chance)))
      const several = [...arrays, 'ERR no', []]
      const written = several.map((answer) =>
        typeof answer === 'string'
          ? `-${answer}\r\n`
          : `*${answer.length}\r\n${answer.map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`).join('')}`,
      )
      const bytes = Buffer.from(`:1\r\n${written.join('')}:2\r\n`)
      expect(severalOf(cut(chance, bytes), several.length), `seed ${seed}`).toEqual([1, ...several, 'last', 2])
      expect(severalOf([bytes], several.length), `seed ${seed}, whole`).toEqual([1, ...several, 'last', 2])
    }
  })

  test.each([':1\r\n', '$2\r\nhi\r\n', '*-1\r\n', '*1\r\n:1\r\n', '*1\r\n$-1\r\n'])(
    'to a command with several that are no arrays of texts end the connection: %j',
    (bytes) => {
      expect(() => severalOf([Buffer.from(`:1\r\n${bytes}`)], 1)).toThrow(/Redis/)
    },
  )

  test('of version 3 of the protocol are left to ioredis', () => {
    const hello = Buffer.from('%1\r\n+proto\r\n:3\r\n')
    const more = Buffer.from('_\r\n*1\r\n#t\r\n$2\r\nhi\r\n')
    const theirs = answersOf(Theirs, [hello, more])
    expect(answersOf(Decoder, [hello, more])).toEqual(theirs)
    expect(answersOf(Decoder, [Buffer.concat([Buffer.from('+OK\r\n'), hello]), more])).toEqual([
      Buffer.from('OK'),
      ...theirs,
    ])
  })

  test('that come after what is none are told to nobody', () => {
    const told: unknown[] = []
    const decoder = new Decoder({ onReply: (reply) => told.push(reply), onErrorReply: () => undefined })
    expect(() => decoder.write(Buffer.from(':1\r\n:x\r\n'))).toThrow(/Redis/)
    decoder.write(Buffer.from(':2\r\n'))
    expect(told).toEqual([1])
  })

  test('whose numbers somebody wants as texts are left to ioredis', () => {
    const told: unknown[] = []
    const options = { ...asBytes, getTypeMapping: () => ({ 58: String }) }
    const decoder = new Decoder({ ...options, onReply: (reply) => told.push(reply), onErrorReply: () => undefined })
    decoder.write(Buffer.from(':9007199254740993\r\n'))
    expect(told).toEqual(['9007199254740993'])
  })

  const never = ['?3\r\n', '$x\r\n', '*1\r\n:1.5\r\n', '*1\r\n?', `:${'1'.repeat(99)}`, `+${'x'.repeat(1 << 20)}`]
  test.each(never.map((bytes) => [bytes.slice(0, 20), bytes]))('what is none ends the connection: %j', (_, bytes) => {
    expect(() => answersOf(Decoder, [Buffer.from(bytes)])).toThrow(/Redis|RESP/)
  })

  test('are read so by the connections that ioredis makes', async () => {
    useOwnDecoder()
    const write = vi.spyOn(Decoder.prototype, 'write')
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('data', () => socket.write('$2\r\nhi\r\n'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const redis = new Redis({ host: '127.0.0.1', port, protocol: 2, enableReadyCheck: false, disableClientInfo: true })
    try {
      expect(await redis.get('key')).toBe('hi')
      expect(write).toHaveBeenCalled()
    } finally {
      redis.disconnect()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      write.mockRestore()
      TheirModule.Decoder = Theirs
    }
  })
})
