import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import { type Argument, send } from './request.ts'

/** Texts of the answer are bytes. */
export interface LuaScript {
  /** Sends the script by its digest, and in full where the server does not know it. */
  (client: Redis, keys: readonly string[], args: readonly Argument[]): Promise<unknown>
  /** What a pipeline sends to a server that has it. */
  readonly digest: string
}

export function luaScript(source: string): LuaScript {
  const digest = createHash('sha1').update(source).digest('hex')
  const call = async (client: Redis, keys: readonly string[], args: readonly Argument[]) => {
    try {
      return await send(client, ['evalsha', digest, keys.length], keys, args)
    } catch (error) {
      // the server has not run it, so sending it again repeats nothing
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return await send(client, ['eval', source, keys.length], keys, args)
    }
  }
  return Object.assign(call, { digest })
}
