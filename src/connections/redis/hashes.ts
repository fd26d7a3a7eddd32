/** Hashes, each read as a whole. What is asked of a server in one turn of the event loop is one command of ioredis, with an answer per hash. */
import type * as Ioredis from 'ioredis'
import type { Redis } from 'ioredis'
import type { Several, Texts } from './decoder.ts'

/**
 * Reads the hashes of the keys, at least one; `take` makes of each what is answered, of names and values in turns. Rejects with the first error of
 * theirs, and with that of `take`.
 */
export type ReadHashes = <T>(client: Redis, keys: readonly string[], take: (fields: Texts) => T) => Promise<T[]>

interface Question {
  readonly keys: readonly string[]
  readonly take: (fields: Texts) => unknown
  readonly found: unknown[]
  readonly resolve: (found: never[]) => void
  readonly reject: (error: unknown) => void
}

export function hashReader({ Command }: Pick<typeof Ioredis, 'Command'>): ReadHashes {
  const turns = new Map<Redis, Question[]>()

  function send(client: Redis): void {
    const questions = turns.get(client) as Question[]
    turns.delete(client)
    let text = ''
    for (const { keys } of questions)
      for (const key of keys) text += `*2\r\n$7\r\nHGETALL\r\n$${Buffer.byteLength(key)}\r\n${key}\r\n`
    let at = 0
    const several: Several = {
      take(answer) {
        const { keys, take, found, resolve, reject } = questions[at] as Question
        found.push(attempt(take, answer, reject))
        if (found.length < keys.length) return false
        resolve(found as never[])
        return ++at === questions.length
      },
    }
    const command = Object.assign(new Command('HGETALL'), several, { toWritable: () => text })
    client.sendCommand(command)
    command.promise.catch((error: unknown) => {
      for (const { reject } of questions) reject(error)
    })
  }

  return (client, keys, take) =>
    new Promise((resolve, reject) => {
      const question: Question = { keys, take, found: [], resolve, reject }
      const questions = turns.get(client)
      if (questions) questions.push(question)
      else {
        turns.set(client, [question])
        setImmediate(send, client)
      }
    })
}

function attempt<T>(
  take: (fields: Texts) => T,
  answer: Texts | Error,
  failed: (error: unknown) => void,
): T | undefined {
  try {
    if (answer instanceof Error) throw answer
    return take(answer)
  } catch (error) {
    failed(error)
    return undefined
  }
}
