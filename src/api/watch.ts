/**
 * `GET /v1/features/{entity}/{id}/watch`: changes of one entity as server-sent events. All watchers share one look at the
 * store per interval, with one call per topology, so that their number does not add to its load in calls.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Millis } from '../core/model.ts'
import type { Features } from './features.ts'
import { Problem } from './problem.ts'
import { type Known, render, valuesText } from './render.ts'
import { checkId, type View } from './view.ts'

export interface WatchLimits {
  /** Watchers at once; further ones are refused. */
  readonly watchers: number
  /** How often the store is looked at, in ms. */
  readonly watchMs: number
  /** After so long with nothing to say a comment is sent, so that proxies keep the connection, in ms. */
  readonly heartbeatMs: number
}

/** How long a client waits before it connects again; clients apart from each other by up to as long again. */
const RETRY_MS = 1_000

interface Watcher {
  readonly entity: string
  readonly id: string
  readonly names: readonly string[] | undefined
  readonly response: ServerResponse
  /** Wall time at which whoever watches may no longer. */
  readonly until: Millis
  /** Values last said. */
  said: string
  saidAt: Millis
}

export interface Watch {
  /** Answers the first event, or throws a `Problem` while nothing is sent yet. */
  begin(
    asked: { entity: string; id: string; names: readonly string[] | undefined; until: Millis },
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void>
  readonly watchers: number
  /** Ends every stream; clients then connect elsewhere. */
  close(): void
}

export function createWatch(features: Features, limits: WatchLimits): Watch {
  const watchers = new Set<Watcher>()
  let opening = 0
  let closed = false
  let timer: NodeJS.Timeout | undefined

  /** At most one look is under way; the next comes an interval after it. */
  function schedule(): void {
    if (timer !== undefined || watchers.size === 0) return
    timer = setTimeout(async () => {
      await look()
      timer = undefined
      schedule()
    }, limits.watchMs)
  }

  async function look(): Promise<void> {
    const asked = [...watchers].flatMap((watcher) => {
      const view = viewOf(watcher)
      return view ? [{ watcher, view, id: watcher.id }] : []
    })
    try {
      const known = await features.known(asked)
      asked.forEach(({ watcher, view }, i) => {
        tell(watcher, view, known[i] as Known, limits.heartbeatMs)
      })
    } catch {
      // the store is down, which `features` has logged: streams stay open and say so, values follow once it is back
      for (const { watcher } of asked) comment(watcher, 'the feature store does not answer', limits.heartbeatMs)
    }
  }

  /** Ends the stream of what is no longer served, or to whom: who connects again is told why. */
  function viewOf({ entity, names, response, until }: Watcher): View | undefined {
    try {
      if (Date.now() >= until) throw new Error('the token has expired')
      return features.view(entity, names)
    } catch {
      response.end()
      return undefined
    }
  }

  return {
    get watchers() {
      return watchers.size
    },
    async begin({ entity, id, names, until }, request, response) {
      if (closed || watchers.size + opening >= limits.watchers)
        throw new Problem(
          'watchers-full',
          `${limits.watchers} streams are open here, as many as may be. Try again later, or read without watching.`,
          { headers: { 'retry-after': '5' } },
        )
      const view = features.view(entity, names)
      checkId(id, 'The id')
      opening++
      const known = await features.known([{ view, id }]).finally(() => {
        opening--
      })
      if (response.destroyed || closed) {
        response.destroy()
        return
      }
      response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        // nginx would hold events back otherwise
        'x-accel-buffering': 'no',
      })
      if (request.method === 'HEAD') {
        response.end()
        return
      }
      response.write(`retry: ${RETRY_MS + Math.floor(Math.random() * RETRY_MS)}\n\n`)
      const watcher: Watcher = { entity, id, names, response, until, said: '', saidAt: performance.now() }
      const values = valuesText(view, known[0] as Known)
      if (request.headers['last-event-id'] === eventId(values)) watcher.said = values
      tell(watcher, view, known[0] as Known, limits.heartbeatMs)
      watchers.add(watcher)
      response.once('close', () => watchers.delete(watcher))
      schedule()
    },
    close() {
      closed = true
      clearTimeout(timer)
      for (const { response } of watchers) response.end()
    },
  }
}

/** Says the values where they are others than last said. A client that reads too slowly is told the newest once it has caught up. */
function tell(watcher: Watcher, view: View, known: Known, heartbeatMs: Millis): void {
  const { response, id } = watcher
  if (response.writableNeedDrain || response.writableEnded) return
  const values = valuesText(view, known)
  if (values === watcher.said) {
    comment(watcher, 'nothing new', heartbeatMs)
    return
  }
  watcher.said = values
  watcher.saidAt = performance.now()
  response.write(`id: ${eventId(values)}\nevent: features\ndata: ${render(view, id, known, Date.now())}\n\n`)
}

function comment(watcher: Watcher, text: string, heartbeatMs: Millis): void {
  const { response } = watcher
  if (performance.now() - watcher.saidAt < heartbeatMs || response.writableNeedDrain || response.writableEnded) return
  watcher.saidAt = performance.now()
  response.write(`: ${text}\n\n`)
}

/** Names values, the same wherever they are said: a client that comes back with it is told only what is new. */
function eventId(values: string): string {
  return createHash('sha256').update(values).digest('base64url').slice(0, 16)
}
