/** Shapes of what is asked and answered. What is asked is validated by them; both are described by them in OpenAPI. */
import { z } from 'zod'
import { duration } from '../core/duration.ts'

/** Features in one choice, and reads in one batch. */
const MOST_FEATURES = 1000
const MOST_READS = 100

const value = z
  .union([z.number(), z.string(), z.array(z.number()), z.array(z.string()), z.null()])
  .describe('A number, a text, a list of one of them, or null where there is none.')

const seen = z
  .object({
    entity: z.string(),
    id: z.string(),
    found: z.boolean().describe('Is anything known of this id? If not, every value is the default.'),
    features: z.record(
      z.string(),
      z.object({
        value,
        asOf: z.iso
          .datetime()
          .nullable()
          .describe('Event time as of which the value holds; null where it is the default.'),
        age: z.number().min(0).nullable().describe('Seconds of wall time since `asOf`.'),
        stale: z
          .literal(true)
          .optional()
          .describe('There only where the value is as of longer ago than `maxAge`: the default is answered instead.'),
        topology: z.string().describe('The topology that computes it.'),
      }),
    ),
  })
  .describe('The features of one entity.')

const feature = z.object({
  name: z.string().describe('Name it is answered by.'),
  type: z.string().describe('long, double, string, or a list of one of them.'),
  default: value,
  description: z.string().optional(),
})

const topology = z
  .object({
    name: z.string(),
    kind: z.string(),
    description: z.string().optional(),
    sources: z.array(z.string()).describe('Source topics.'),
    tables: z.array(z.string()).optional().describe('Topics it looks values up in.'),
    entity: z.string().optional().describe('What its features are of.'),
    features: z.array(feature).optional(),
    outputs: z.array(z.string()).describe('Where its results go: sinks and topics.'),
    owner: z
      .object({ domain: z.string().optional(), product: z.string().optional(), service: z.string().optional() })
      .optional(),
    tags: z.array(z.string()),
    generation: z.string().describe('Fingerprint of what decides where a row goes; another one is computed beside it.'),
    serving: z
      .string()
      .nullable()
      .optional()
      .describe('Generation whose features are answered; null while none has caught up.'),
    live: z
      .object({
        tasks: z.record(z.string(), z.int()).describe('Tasks by condition.'),
        reasons: z.array(z.string()).describe('Why tasks wait or are blocked.'),
        lag: z.int().describe('Records still to be processed.'),
        clock: z.iso.datetime().nullable().describe('Event time that the slowest task has reached.'),
      })
      .optional()
      .describe('What of it runs in the process that answers; others may run more of it.'),
  })
  .describe('One topology, as it is declared and as it runs here.')

const topic = z
  .object({
    name: z.string(),
    partitions: z
      .array(
        z.object({
          start: z.int().describe('First position kept.'),
          end: z.int().describe('Position that the next record gets.'),
        }),
      )
      .nullable()
      .describe('By number; null where the topic does not exist.'),
    subject: z.string().nullable().describe('Subject of its schema in the registry.'),
    schema: z.int().nullable().describe('Id of the newest schema of the subject.'),
    reads: z.array(z.string()).describe('Topologies that read it.'),
    writes: z.array(z.string()).describe('Topologies that write it.'),
  })
  .describe('One topic.')

const ready = z.object({
  status: z.enum(['ready', 'not ready']),
  parts: z.array(z.object({ part: z.string(), ok: z.boolean(), reason: z.string().optional() })),
})

/** By their names in OpenAPI. */
export const ANSWERS = {
  Entity: seen,
  EntityBatch: z.object({ entity: z.string(), results: z.array(seen).describe('In the order asked.') }),
  Batch: z.object({ results: z.array(seen).describe('In the order asked, reads one after the other.') }),
  Discovery: z.object({
    entities: z.array(
      z.object({
        entity: z.string(),
        path: z.string().describe('Where its features are read.'),
        features: z.array(feature.extend({ topology: z.string() })),
      }),
    ),
  }),
  Topology: topology,
  Topologies: z.object({ topologies: z.array(topology) }),
  Topics: z.object({ topics: z.array(topic) }),
  Document: z.looseObject({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) }),
  Live: z.object({ status: z.enum(['live', 'stuck']) }),
  Ready: ready,
  Problem: z
    .looseObject({
      type: z.string().describe('`urn:millrace:problem:<name>`; docs/errors.md lists the names.'),
      title: z.string(),
      status: z.int(),
      detail: z.string().describe('What was found, and what to do.'),
    })
    .describe('Problem details of RFC 9457.'),
} as const satisfies Record<string, z.ZodType>
export type AnswerName = keyof typeof ANSWERS

export type TopologyAnswer = z.output<typeof topology>
export type TopicAnswer = z.output<typeof topic>

const names = z.array(z.string().min(1)).min(1).max(MOST_FEATURES)
const maxAge = duration
  .optional()
  .describe('Values as of longer ago than this are answered by their defaults: 500ms, 30s, 10m, 2h, 7d.')

export const watchQuery = z.strictObject({
  features: names.optional().describe('These features only, as in features=a,b.'),
})
export const readQueryShape = watchQuery.extend({ maxAge })

/** Bodies of batch reads; `mostIds` in one request. */
export function batchBodies(mostIds: number) {
  const ids = z.array(z.string()).max(mostIds).describe('Answered in this order.')
  const features = names.optional().describe('These features only; all when left out.')
  const reads = z
    .array(z.strictObject({ entity: z.string().describe('Such as store.'), ids, features }))
    .max(MOST_READS)
    .refine((reads) => reads.reduce((sum, read) => sum + read.ids.length, 0) <= mostIds, {
      message: `more than ${mostIds} ids`,
    })
  return {
    EntityRead: z.strictObject({ ids, features, maxAge }),
    BatchRead: z.strictObject({ reads, maxAge }),
  }
}
