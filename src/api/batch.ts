/** `POST /v1/features/{entity}`: many ids in one request. */
import express, { type RequestHandler } from 'express'
import { z } from 'zod'
import type { Features } from './features.ts'
import { Problem, send } from './problem.ts'

const MOST_FEATURES = 1000
/** What was found wrong may repeat the caller's own keys. */
const SHOWN = 200

export interface BatchLimits {
  readonly bodyBytes: number
  readonly batchIds: number
}

export function batchRoute(features: Features, limits: BatchLimits): RequestHandler[] {
  const body = z.strictObject({
    ids: z.array(z.string()).max(limits.batchIds),
    features: z.array(z.string()).min(1).max(MOST_FEATURES).optional(),
  })
  const wanted = `Send {"ids": ["…"], "features": ["…"]} with at most ${limits.batchIds} ids; 'features' may be left out.`

  const onlyJson: RequestHandler = (request, _response, next) => {
    if (request.is('application/json')) next()
    else next(new Problem('media-type-unsupported', `Send JSON with 'content-type: application/json'. ${wanted}`))
  }
  const answer: RequestHandler = async (request, response) => {
    const parsed = body.safeParse(request.body)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      const where = issue && issue.path.length > 0 ? `${issue.path.map(String).join('.')}: ` : ''
      throw new Problem('body-invalid', `${where}${(issue?.message ?? 'wrong shape').slice(0, SHOWN)}. ${wanted}`)
    }
    const { ids, features: names } = parsed.data
    send(response, 200, 'application/json', await features.many(request.params.entity as string, ids, names))
  }
  return [onlyJson, express.json({ limit: limits.bodyBytes, type: 'application/json' }), answer]
}
