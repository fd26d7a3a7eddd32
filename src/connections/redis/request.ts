/**
 * Requests, each encoded in one pass. ioredis asks for the length of every text, and makes texts and a buffer of every argument where one is
 * bytes: most of what a call of many keys costs. It is given a command that is encoded already. Source: the Redis serialization protocol.
 */
import type { Command, Redis } from 'ioredis'

/** Texts are sent as UTF-8. */
export type Argument = string | Uint8Array | number
type Lists = readonly (readonly Argument[])[]

/** Requests with bytes stand in a row in rooms of that size; a larger one has a larger room. */
const ROOM = 64 * 1024
let room = Buffer.allocUnsafeSlow(ROOM)
/** Where the request that is being encoded begins, and how far it is. */
let from = 0
let at = 0

const headOf = (length: number) => `\r\n$${length}\r\n`
const HEADS = Array.from({ length: 256 }, (_, length) => headOf(length))

/** The request whose arguments, its name first, are those of the lists in their order. */
export function encode(lists: Lists): string | Buffer {
  const request = encodeBy(lengthOf, lists) ?? (encodeBy(Buffer.byteLength, lists) as string | Buffer)
  if (room.length > ROOM) {
    // a larger one goes with its request
    room = Buffer.allocUnsafeSlow(ROOM)
    at = 0
  }
  return request
}

/** Of ASCII alone, which nearly every text is. */
const lengthOf = (text: string) => text.length

/** A text where there are no bytes: it is joined and encoded as a whole when it is sent. Undefined where a text is longer than `bytesOf` says. */
function encodeBy(bytesOf: (text: string) => number, lists: Lists): string | Buffer | undefined {
  from = at
  let text = `*${lists.reduce((count, list) => count + list.length, 0)}`
  let claimed = text.length
  for (const list of lists)
    for (const argument of list) {
      if (typeof argument === 'object') {
        const head = HEADS[argument.length] ?? headOf(argument.length)
        if (!put(text + head, claimed + head.length, argument)) return undefined
        text = ''
        claimed = 0
      } else {
        const own = typeof argument === 'string' ? argument : String(argument)
        const bytes = bytesOf(own)
        const head = HEADS[bytes] ?? headOf(bytes)
        text += head + own
        claimed += head.length + bytes
      }
    }
  text += '\r\n'
  claimed += 2
  if (at === from) return Buffer.byteLength(text) === claimed ? text : undefined
  return put(text, claimed) ? room.subarray(from, at) : undefined
}

/** False when the text is not as long as claimed. */
function put(text: string, claimed: number, bytes?: Uint8Array): boolean {
  need(3 * text.length + (bytes?.length ?? 0))
  const written = room.write(text, at)
  at += written
  if (bytes) room.set(bytes, at)
  at += bytes?.length ?? 0
  return written === claimed
}

function need(bytes: number): void {
  if (at + bytes <= room.length) return
  const begun = room.subarray(from, at)
  room = Buffer.allocUnsafeSlow(Math.max(ROOM, 2 * (begun.length + bytes)))
  room.set(begun)
  from = 0
  at = begun.length
}

/** What ioredis asks of a command that is sent by itself. */
class Request {
  readonly name: string
  readonly args: readonly never[] = []
  readonly promise: Promise<unknown>
  resolve!: (answer: unknown) => void
  reject!: (error: Error) => void
  private readonly encoded: string | Buffer
  private timer: NodeJS.Timeout | undefined

  constructor(name: string, encoded: string | Buffer) {
    this.name = name
    this.encoded = encoded
    this.promise = new Promise((resolve, reject) => {
      this.resolve = (answer) => {
        clearTimeout(this.timer)
        resolve(answer)
      }
      this.reject = (error) => {
        clearTimeout(this.timer)
        reject(error)
      }
    })
  }

  toWritable(): string | Buffer {
    return this.encoded
  }

  setReplyContext(): void {
    // answers are passed on as they come
  }

  setTimeout(ms: number): void {
    this.timer = setTimeout(() => this.reject(new Error('Command timed out')), ms)
  }
}

/** Sends the request whose arguments, its name first, are those of the lists; in small letters, by which ioredis knows commands. Texts of the answer are bytes. */
export function send(client: Redis, ...lists: Lists): Promise<unknown> {
  const request = new Request(String(lists[0]?.[0]), encode(lists))
  client.sendCommand(request as unknown as Command)
  return request.promise
}
