/**
 * `GET /v1/topics/{topic}/records`: records of a topic, decoded. They hold what events hold, persons' data too: it is served
 * only where the server is given `TailOptions`, which `millrace dev` does.
 */
import { once } from 'node:events'
import { z } from 'zod'
import { start } from '../core/config.ts'
import { MillraceError } from '../core/errors.ts'
import { ExpressionError } from '../core/expression/index.ts'
import { Problem } from './problem.ts'
import { type Route, route } from './route.ts'

/** What is asked for. `from` and `limit` are left to whoever answers. */
export type TailQuestion = z.output<typeof query>

export interface TailOptions {
  /**
   * One JSON text per record. Rejects before the first with `topic-missing`, or an `ExpressionError` for `where`; ends at the
   * signal.
   */
  lines(topic: string, question: TailQuestion, signal: AbortSignal): Promise<AsyncIterable<string>>
}

const query = z.strictObject({
  from: start.optional().describe('earliest, latest, or an ISO time; latest when following, otherwise earliest.'),
  limit: z.coerce.number().int().min(0).optional().describe('Most records.'),
  follow: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .describe('Go on at the end of the log.'),
  where: z.string().max(4096).optional().describe('Expression over the record: those it is true for only.'),
})

export function tailRoute(options: TailOptions): Route {
  return route({
    method: 'get',
    path: '/v1/topics/{topic}/records',
    operation: 'tailTopic',
    scope: 'records:read',
    summary: 'Records of a topic, decoded, one JSON text a line. Served by `millrace dev` only.',
    query,
    answers: { 200: { description: 'One record a line.', type: 'application/x-ndjson' } },
    problems: ['topic-unknown', 'parameter-unknown', 'parameter-invalid', 'log-unavailable'],
    handle: async ({ params: { topic = '' }, query, request, response }) => {
      const gone = new AbortController()
      response.once('close', () => gone.abort())
      const lines = await options.lines(topic, query, gone.signal).catch((error: unknown) => {
        throw problemOf(error)
      })
      response.writeHead(200, {
        'content-type': 'application/x-ndjson',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      })
      if (request.method !== 'HEAD') {
        response.flushHeaders()
        for await (const line of lines)
          if (!response.write(`${line}\n`))
            await once(response, 'drain', { signal: gone.signal }).catch(() => undefined)
      }
      response.end()
    },
  })
}

function problemOf(error: unknown): unknown {
  if (error instanceof ExpressionError) {
    const { message, expected, suggestion, offset } = error
    const more = `${expected === undefined ? '' : ` Expected ${expected}.`}${suggestion === undefined ? '' : ` Did you mean ${suggestion}?`}`
    return new Problem('parameter-invalid', `'where', at character ${offset + 1}: ${message}.${more}`)
  }
  if (!(error instanceof MillraceError)) return error
  if (error.code === 'topic-missing') return new Problem('topic-unknown', `${error.message}.`)
  return new Problem('log-unavailable', 'The log or the schema registry did not answer. Try again shortly.', {
    headers: { 'retry-after': '1' },
  })
}
