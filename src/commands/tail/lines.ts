/** Records of a topic as lines of JSON: values decoded by the newest schema of their subject, where there is one; JSON as it is. */
import { isUtf8 } from 'node:buffer'
import type { TailOptions, TailQuestion } from '../../api/tail.ts'
import { avroDecoder } from '../../codecs/avro/index.ts'
import { systemClock } from '../../core/clock.ts'
import { MillraceError, RecordError } from '../../core/errors.ts'
import { compileExpression, ExpressionError } from '../../core/expression/index.ts'
import type { Decoder, Event, InputRecord, Registry, Transport } from '../../core/model.ts'
import { SILENT } from '../../core/part.ts'
import { topicType } from '../../core/schema.ts'
import { didYouMean, nearest } from '../../core/suggest.ts'
import { type TailRecord, tail } from '../../engine/tail.ts'

interface Services {
  readonly transport: Transport
  readonly registry: Registry
  /** Topics that somebody may have meant who asks for one that there is not. */
  readonly names?: () => readonly string[]
}

export function tailLines(services: Services): TailOptions {
  return { lines: (topic, question, signal) => linesOf(services, topic, question, signal) }
}

async function linesOf(
  { transport, registry, names }: Services,
  topic: string,
  { from, limit = Number.POSITIVE_INFINITY, follow = false, where }: TailQuestion,
  signal: AbortSignal,
): Promise<AsyncIterable<string>> {
  const decoders = new Decoders(registry)
  const takes = where === undefined ? undefined : await condition(where, topic, registry)
  const start = from ?? (follow ? 'latest' : 'earliest')
  const records = tail({ transport, topic, from: start, follow, clock: systemClock, signal })
  // the first look is made before anything is answered: a missing topic is said as such
  const first = await records.next().catch(async (error: unknown) => {
    const isMissing = error instanceof MillraceError && error.code === 'topic-missing'
    if (!isMissing || !names) throw error
    const there = [...(await transport.topics(names())).keys()].sort()
    const near = didYouMean(nearest(topic, there))
    throw new MillraceError('topic-missing', `${error.message}.${near} There are: ${there.join(', ') || 'none yet'}`)
  })
  return (async function* () {
    let said = 0
    for (let next = first; !next.done && said < limit; next = await records.next()) {
      const { event, shown } = await decoders.read(next.value)
      if (takes && !(event && takes(event))) continue
      said++
      yield lineOf(next.value, shown)
      if (said >= limit) break
    }
    await records.return(undefined)
  })()
}

async function condition(where: string, topic: string, registry: Registry): Promise<(event: Event) => boolean> {
  const latest = await registry.latest(`${topic}-value`)
  if (!latest) throw new ExpressionError(0, `the records of '${topic}' have no schema of their own to ask for fields`)
  return compileExpression(where, { event: topicType(latest.schema), expects: 'bool' }).evaluate
}

/** Values are read by the newest schema of their topic; dead letters by that of the topic that they come from. */
class Decoders {
  private readonly registry: Registry
  private readonly known = new Map<string, Promise<Decoder | undefined>>()

  constructor(registry: Registry) {
    this.registry = registry
  }

  async read({ topic: own, record }: TailRecord): Promise<{ readonly event?: Event; readonly shown: object }> {
    if (record.value === null) return { shown: { value: null } }
    const json = jsonOf(record.value)
    if (json) return { shown: { value: json } }
    const topic = record.headers['millrace-source-topic']?.toString() ?? own
    const decoder = await this.decoderOf(topic)
    const bytes = { value: { base64: record.value.toString('base64') } }
    if (!decoder) return { shown: bytes }
    await decoder.prepare([record])
    try {
      const event = decoder.record(record)
      return { event, shown: { value: event } }
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      return { shown: { ...bytes, undecoded: `${error.code}: ${error.message}` } }
    }
  }

  private decoderOf(topic: string): Promise<Decoder | undefined> {
    const known = this.known.get(topic) ?? this.make(topic)
    this.known.set(topic, known)
    return known
  }

  private async make(topic: string): Promise<Decoder | undefined> {
    const latest = await this.registry.latest(`${topic}-value`)
    if (!latest) return undefined
    const fields = topicType(latest.schema).fields.map(({ name }) => [name])
    return avroDecoder({ registry: this.registry, schema: latest.schema, fields, log: SILENT })
  }
}

const BRACE = '{'.charCodeAt(0)

/** Avro of a registry begins with 0; what begins with a brace, such as some dead letters and JSON topics, is JSON if it reads as such. */
function jsonOf(value: Buffer): object | undefined {
  if (value[0] !== BRACE) return undefined
  try {
    return JSON.parse(value.toString()) as object
  } catch {
    return undefined
  }
}

function lineOf({ partition, record }: TailRecord, shown: object): string {
  const { position, timestamp, key, headers } = record
  const texts = Object.entries(headers).map(([name, value]) => [name, textOf(value)])
  const line = {
    partition,
    position,
    timestamp: Number.isNaN(new Date(timestamp).getTime()) ? timestamp : new Date(timestamp).toISOString(),
    key: key === null ? null : textOf(key),
    ...(texts.length === 0 ? {} : { headers: Object.fromEntries(texts) }),
    ...shown,
  }
  return JSON.stringify(line, function (this: Record<string, unknown>, name, value) {
    const given = this[name]
    return Buffer.isBuffer(given) ? { base64: given.toString('base64') } : value
  })
}

const textOf = (bytes: InputRecord['key'] & Buffer) =>
  isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString('base64') }
