/** Reads feature values: which namespaces to ask for which ids, in as few calls of the store as there are topologies. */
import { MillraceError } from '../core/errors.ts'
import type { FeatureStore, Millis } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import type { EntityCatalog } from './catalog.ts'
import { Problem } from './problem.ts'
import { type Known, render, renderList } from './render.ts'
import { checkId, choose, type View, views } from './view.ts'

const ALIAS_MS = 1000

export interface FeaturesOptions {
  readonly catalog: () => readonly EntityCatalog[]
  readonly store: Pick<FeatureStore, 'readJson'>
  readonly log: Log
  /** How long one read may wait for the store before it answers 503, in ms. */
  readonly storeMs: number
  /** Monotonic or wall clock in ms. */
  readonly now: () => Millis
}

/** Which features; undefined gives all. */
type Names = readonly string[] | undefined

/** Ids of one entity. */
export interface Read {
  readonly entity: string
  readonly ids: readonly string[]
  readonly features?: Names
}

/** Throws `Problem`: entity or feature unknown, id invalid, store unavailable. An unknown id gives defaults. */
export interface Features {
  /** The answer for one id, as JSON text. Values as of longer ago than `maxAge` are answered by their defaults. */
  one(entity: string, id: string, names: Names, maxAge?: Millis): Promise<string>
  /**
   * The same for many of several entities, in the order asked, with one call of the store per topology: JSON in UTF-8, an object
   * that begins with `before` and ends with the list of answers.
   */
  many(before: string, reads: readonly Read[], maxAge?: Millis): Promise<Buffer>
  /** How an entity looks in answers; the same object while the catalog is the same and `names` are undefined. */
  view(entity: string, names: Names): View
  /** What the store knows of each, in the order asked; one call of it per topology. */
  known(asked: readonly { readonly view: View; readonly id: string }[]): Promise<readonly Known[]>
}

export function createFeatures(options: FeaturesOptions): Features {
  const viewOf = views(options.catalog)
  const namespaceOf = cachedNamespaces(options.now)
  let complainedAt = Number.NEGATIVE_INFINITY

  function unavailable(error: unknown): Problem {
    const now = options.now()
    if (now - complainedAt >= 1000) {
      complainedAt = now
      const name = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown'
      const reason = error instanceof MillraceError ? error.message : undefined
      options.log.warn({ error: name, reason }, 'the feature store does not answer; reads get 503')
    }
    return new Problem('store-unavailable', 'The feature store did not answer. Try again shortly.', {
      headers: { 'retry-after': '1' },
    })
  }

  async function read(
    { topology, namespace, fields }: View['topologies'][number],
    ids: readonly string[],
  ): Promise<Known> {
    const serving = await namespaceOf(topology, namespace)
    return serving === undefined || ids.length === 0 ? [] : options.store.readJson(serving, ids, fields)
  }

  async function inTime<T>(work: Promise<T>): Promise<T> {
    try {
      return await within(options.storeMs, work)
    } catch (error) {
      throw unavailable(error)
    }
  }

  const view = (entity: string, names: Names) => choose(viewOf(entity), names)

  async function known(asked: readonly { readonly view: View; readonly id: string }[]): Promise<readonly Known[]> {
    const questions = questionsOf(asked)
    const answers = await inTime(
      Promise.all(
        [...questions].map(async ([name, { topology, ids }]) => [name, await read(topology, [...ids.keys()])] as const),
      ),
    )
    const byTopology = new Map(answers)
    return asked.map(({ view, id }) =>
      view.topologies.map(({ topology }) => byTopology.get(topology)?.[questions.get(topology)?.ids.get(id) as number]),
    )
  }

  return {
    view,
    known,
    async one(entity, id, names, maxAge) {
      const chosen = view(entity, names)
      checkId(id, 'The id')
      const ids = [id]
      const answers = await inTime(Promise.all(chosen.topologies.map((topology) => read(topology, ids))))
      const known = answers.map((found) => found[0])
      return render(chosen, id, known, Date.now(), maxAge)
    },
    async many(before, reads, maxAge) {
      const asked = reads.flatMap(({ entity, ids, features }, r) => {
        const chosen = view(entity, features)
        return ids.map((id, i) => {
          checkId(id, reads.length === 1 ? `ids[${i}]` : `reads[${r}].ids[${i}]`)
          return { view: chosen, id }
        })
      })
      return renderList(before, asked, await known(asked), Date.now(), maxAge)
    },
  }
}

/** The different ids to ask of each topology, with where their answers will stand. */
function questionsOf(asked: readonly { readonly view: View; readonly id: string }[]) {
  const questions = new Map<string, { topology: View['topologies'][number]; ids: Map<string, number> }>()
  for (const { view, id } of asked)
    for (const topology of view.topologies) {
      let question = questions.get(topology.topology)
      if (!question) {
        question = { topology, ids: new Map() }
        questions.set(topology.topology, question)
      }
      if (!question.ids.has(id)) question.ids.set(id, question.ids.size)
    }
  return questions
}

/** Which namespace serves a topology, asked at most once a second; a failed lookup is not kept. */
function cachedNamespaces(now: () => Millis) {
  const known = new Map<string, { until: Millis; namespace: Promise<string | undefined> | string }>()
  return (topology: string, look: () => Promise<string | undefined> | string) => {
    const entry = known.get(topology)
    if (entry && now() < entry.until) return entry.namespace
    const namespace = look()
    const fresh = { until: now() + ALIAS_MS, namespace }
    known.set(topology, fresh)
    if (typeof namespace !== 'string')
      namespace.catch(() => {
        if (known.get(topology) === fresh) known.delete(topology)
      })
    return namespace
  }
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
