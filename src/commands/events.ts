/** Server-sent events as the HTML standard says, as far as Millrace sends them. */

export interface ServerEvent {
  readonly id?: string
  readonly data?: string
  /** In ms. */
  readonly retry?: number
}

/** Every block of a stream that says something; comments are left out. Rejects when the connection breaks. */
export async function* eventsOf(body: AsyncIterable<Uint8Array> | null): AsyncGenerator<ServerEvent> {
  for await (const block of splitAt(body, '\n\n')) {
    const fields = Object.fromEntries(
      block
        .split('\n')
        .filter((line) => !line.startsWith(':'))
        .map((line) => /^(\w+): ?(.*)$/.exec(line)?.slice(1) ?? []),
    ) as Record<string, string | undefined>
    const { id, data, retry } = fields
    yield {
      ...(id === undefined ? {} : { id }),
      ...(data === undefined ? {} : { data }),
      ...(retry === undefined ? {} : { retry: Number(retry) }),
    }
  }
}

/** Whole pieces of a text, without what sets them apart; a last one that is not ended is left out. */
export async function* splitAt(body: AsyncIterable<Uint8Array> | null, end: string): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body ?? []) {
    const pieces = (text + decoder.decode(chunk, { stream: true })).split(end)
    text = pieces.pop() as string
    yield* pieces
  }
}
