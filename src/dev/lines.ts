/** Splits a stream of bytes into lines, in constant memory. */

export interface Line {
  /** From 1 on. */
  readonly number: number
  /** Undefined when it is too long or not UTF-8; `fault` then says which. */
  readonly text: string | undefined
  readonly fault?: string
}

const NEWLINE = 10

/** Lines without their ends (LF or CRLF); a byte order mark is dropped. The bytes of a line beyond `maxBytes` are passed over. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Line[]> {
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  let parts: Buffer[] = []
  let length = 0
  let number = 0

  function take(bytes: Buffer): void {
    length += bytes.length
    if (length <= maxBytes) parts.push(bytes)
    else parts = []
  }
  function finish(): Line {
    number++
    const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    const tooLong = length > maxBytes
    parts = []
    length = 0
    if (tooLong) return { number, text: undefined, fault: `longer than ${maxBytes} bytes` }
    try {
      const text = utf8.decode(whole)
      return { number, text: text.endsWith('\r') ? text.slice(0, -1) : text }
    } catch {
      return { number, text: undefined, fault: 'not UTF-8' }
    }
  }

  for await (const chunk of chunks) {
    const lines: Line[] = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, at))
      lines.push(finish())
      from = at + 1
    }
    if (from < chunk.length) take(chunk.subarray(from))
    if (lines.length > 0) yield lines
  }
  if (length > 0) yield [finish()]
}
