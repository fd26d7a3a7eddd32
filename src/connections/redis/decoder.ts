/**
 * Redis' answers, read in one pass: what ioredis 6.0.0 has for it takes seven times as long, since its private fields are
 * compiled to WeakMaps. Source: the Redis serialization protocol, version 2; a connection that speaks version 3 is left to ioredis.
 * Texts are views of the bytes that came.
 */
import { createRequire } from 'node:module'

const [ERROR, TEXT, ARRAY, NUMBER, LINE] = [0x2d, 0x24, 0x2a, 0x3a, 0x2b]
const [CR, MINUS, PLUS, ZERO] = [0x0d, 0x2d, 0x2b, 0x30]
/** Bytes of the line of a number. */
const LONGEST = 24
/** Bytes of any other line; one without an end would be looked through again with all that comes. */
const LONGEST_LINE = 1 << 20
const NOTHING = Buffer.alloc(0)
/** The next answer has not come as a whole. */
const LATER: unique symbol = Symbol('later')

/** As ioredis makes one for each connection. */
export interface DecoderOptions {
  onReply(reply: unknown): void
  onErrorReply(error: Error): void
  /** What values of a type, by its first byte, are made of. */
  getTypeMapping?(): Readonly<Record<number, unknown>>
}

interface Reader {
  write(chunk: Buffer): void
}

/** An answer that is an array of texts, as it stands in the bytes that came: text `i` from `spans[2 * i]` to `spans[2 * i + 1]`. */
export interface Texts {
  readonly bytes: Buffer
  readonly count: number
  /** Of the next answer once `take` has returned. */
  readonly spans: Int32Array
}

/** A command with several answers, each an array of texts: so nothing is made of texts that are only passed on. */
export interface Several {
  /** Called once per answer, in order; true with the last. Does not throw. */
  take(answer: Texts | Error): boolean
}

/** Part of a client of ioredis. */
interface Client {
  readonly commandQueue: { peekFront(): { readonly command: Partial<Several> } | undefined }
}

const internal = createRequire(import.meta.url)
const { SimpleError } = internal('ioredis/built/resp/errors') as { SimpleError: new (message: string) => Error }

const module = internal('ioredis/built/resp/decoder') as { Decoder: new (options: DecoderOptions) => Reader }
const Theirs = module.Decoder

/** Whose decoder is made now: ioredis does not tell it. */
let connecting: Client | undefined

/** Every connection that ioredis makes from now on reads with it. */
export function useOwnDecoder(): void {
  if (module.Decoder === Decoder) return
  module.Decoder = Decoder
  type Handler = new (client: Client, options: object) => object
  const handlers = internal('ioredis/built/DataHandler') as { default: Handler }
  handlers.default = new Proxy(handlers.default, {
    construct(Handler, [client, options]: ConstructorParameters<Handler>) {
      connecting = client
      try {
        return new Handler(client, options)
      } finally {
        connecting = undefined
      }
    },
  })
}

export class Decoder implements Reader {
  private readonly options: DecoderOptions
  private readonly client: Client | undefined
  private spans = new Int32Array(64)
  /** What came and is not read yet: one piece, but while more is known to be needed. */
  private pieces: Buffer[] = []
  private held = 0
  /** So many bytes have to be held before it is worth looking again. */
  private needed = 1
  /** Where pieces are joined, and how much of it is taken. What was read stays as it is. */
  private room: Buffer = NOTHING
  private filled = 0
  private bytes: Buffer = NOTHING
  private at = 0
  /** Of an answer of many texts that has not come as a whole: how many it has, those read, and where they end, from its beginning. */
  private begun: { readonly count: number; readonly read: number; readonly end: number } | undefined
  /** Arrays that are not complete, the outermost first. */
  private readonly open: { readonly items: unknown[]; readonly count: number }[] = []
  /** What came was no answer, or whoever was told threw: what follows means nothing. */
  private isBroken = false
  /** Reads all that comes, once something came that version 2 has not. */
  private theirs: Reader | undefined

  constructor(options: DecoderOptions, client = connecting) {
    this.options = options
    this.client = client
    // somebody else's client, whose numbers are texts
    if (options.getTypeMapping?.()[NUMBER] === String) this.theirs = new Theirs(options)
  }

  /** Calls back for every answer that is complete with this. Throws for what is no answer; nothing more can be read then. */
  write(chunk: Buffer): void {
    if (this.theirs) this.theirs.write(chunk)
    else {
      if (this.isBroken) return
      this.pieces.push(chunk)
      this.held += chunk.length
      if (this.held >= this.needed) this.read()
    }
  }

  private read(): void {
    this.isBroken = true
    this.bytes = this.pieces.length === 1 ? (this.pieces[0] as Buffer) : this.joined()
    this.at = 0
    while (this.answer());
    const rest = this.bytes.subarray(this.at)
    this.held = rest.length
    this.pieces = rest.length > 0 ? [rest] : []
    if (rest.length === 0) this.room = NOTHING
    this.bytes = NOTHING
    this.isBroken = false
  }

  /** The pieces as one, with room for as much again: so a long answer in many pieces is not copied as a whole with each. */
  private joined(): Buffer {
    const [first, ...others] = this.pieces as [Buffer, ...Buffer[]]
    const start = first.byteOffset - this.room.byteOffset
    const isLast = first.buffer === this.room.buffer && start + first.length === this.filled
    if (isLast && start + this.held <= this.room.length) {
      for (const piece of others) this.append(piece)
      return this.room.subarray(start, this.filled)
    }
    this.room = Buffer.allocUnsafe(2 * this.held)
    this.filled = 0
    for (const piece of this.pieces) this.append(piece)
    return this.room.subarray(0, this.filled)
  }

  private append(piece: Buffer): void {
    this.room.set(piece, this.filled)
    this.filled += piece.length
  }

  /** False when the next has not come. */
  private answer(): boolean {
    const several = this.open.length === 0 ? this.client?.commandQueue.peekFront()?.command : undefined
    if (several?.take) {
      const answer = this.texts()
      if (answer === LATER) return false
      if (several.take(answer)) this.options.onReply(null)
    } else {
      const value = this.next()
      if (value === LATER) return false
      this.take(value)
    }
    return true
  }

  /** The next answer, to a command with several. */
  private texts(): Texts | Error | typeof LATER {
    const { at: start, bytes, begun } = this
    if (bytes[start] === ERROR) return this.next() as Error | typeof LATER
    const count = begun?.count ?? this.numberOf(ARRAY)
    if (count === undefined) return this.later(start, 1)
    if (this.spans.length < 2 * count) this.spans = new Int32Array(2 * count)
    const { spans } = this
    if (begun) this.at = start + begun.end
    for (let i = begun?.read ?? 0; i < count; i++) {
      const at = this.at
      const length = this.numberOf(TEXT)
      const missing = length === undefined ? 1 : this.at + length + 2 - bytes.length
      if (length === undefined || missing > 0) {
        // the next time, the answer stands at the beginning
        for (let k = 0; start > 0 && k < 2 * i; k++) spans[k] = (spans[k] as number) - start
        this.begun = { count, read: i, end: at - start }
        return this.later(start, missing)
      }
      spans[2 * i] = this.at
      spans[2 * i + 1] = this.at + length
      this.at += length + 2
    }
    this.begun = undefined
    return { bytes, count, spans }
  }

  /** How long the next value is; undefined when that has not come. Throws where it is of another type, or null. */
  private numberOf(type: number): number | undefined {
    const found = this.bytes[this.at]
    const length = found === type ? this.number(this.at) : undefined
    if (found === undefined || (found === type && (length === undefined || length >= 0))) return length
    throw new Error('an answer of Redis is no array of texts')
  }

  /** The next value that is no array, or an array without items; leaves `at` where it is when it has not come. */
  private next(): unknown {
    for (;;) {
      const start = this.at
      const type = this.bytes[start]
      if (type === TEXT) return this.text(start)
      if (type === ARRAY) {
        const count = this.number(start)
        if (count === undefined) return this.later(start, 1)
        if (count < 0) return null
        if (count === 0) return []
        this.open.push({ items: [], count })
        continue
      }
      if (type === NUMBER) return this.number(start) ?? this.later(start, 1)
      if (type === undefined) return this.later(start, 1)
      if (type !== LINE && type !== ERROR) return this.leave(start, type)
      const end = this.bytes.indexOf(CR, start)
      if (end < 0 && this.bytes.length - start > LONGEST_LINE) throw new Error('a line of Redis does not end')
      if (end < 0 || end + 2 > this.bytes.length) return this.later(start, 1)
      this.at = end + 2
      const line = this.bytes.subarray(start + 1, end)
      return type === LINE ? line : new SimpleError(line.toString())
    }
  }

  private text(start: number): unknown {
    const length = this.number(start)
    if (length === undefined) return this.later(start, 1)
    if (length < 0) return null
    const from = this.at
    const end = from + length
    if (end + 2 > this.bytes.length) return this.later(start, end + 2 - this.bytes.length)
    this.at = end + 2
    return this.bytes.subarray(from, end)
  }

  /** The number on the line that begins here with its type, exact up to 2^53; undefined when its end has not come. */
  private number(start: number): number | undefined {
    const { bytes } = this
    let at = start + 1
    const isNegative = bytes[at] === MINUS
    if (isNegative || bytes[at] === PLUS) at++
    let value = 0
    for (; at < bytes.length && bytes[at] !== CR; at++) {
      const digit = (bytes[at] as number) - ZERO
      if (!(digit >= 0 && digit <= 9 && at - start < LONGEST))
        throw new Error('a number of Redis has other bytes than digits')
      value = value * 10 + digit
    }
    if (at + 2 > bytes.length) return undefined
    this.at = at + 2
    return isNegative ? -value : value
  }

  /** To ioredis. Within an array there is no way back to its beginning, and no need: a connection begins by naming its version. */
  private leave(start: number, type: number): typeof LATER {
    if (this.open.length > 0) throw new Error(`no answer of Redis begins with the byte ${type}`)
    this.theirs = new Theirs(this.options)
    this.at = this.bytes.length
    this.theirs.write(this.bytes.subarray(start))
    return LATER
  }

  private later(start: number, missing: number): typeof LATER {
    this.at = start
    this.needed = this.bytes.length - start + missing
    return LATER
  }

  /** Puts it where it belongs; what is complete by it is told. */
  private take(value: unknown): void {
    let whole = value
    for (let array = this.open.at(-1); array; array = this.open.at(-1)) {
      array.items.push(whole)
      if (array.items.length < array.count) return
      whole = array.items
      this.open.pop()
    }
    if (whole instanceof Error) this.options.onErrorReply(whole)
    else this.options.onReply(whole)
  }
}
