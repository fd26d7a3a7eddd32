/** A part of one's own that makes the records of a transform: `use: ./parts/clean.ts`. */
import { addIssues } from '../core/issues.ts'
import type { Maker } from '../core/model.ts'
import { loadOwnPart, type OwnPart, OwnPartFault, requireAnswers } from '../core/own-part.ts'
import { asked, configured, namedBy } from '../core/own-use.ts'
import { NOWHERE } from '../core/part.ts'
import { type RecordType, SchemaError, topicType } from '../core/schema.ts'
import type { YamlFile } from '../core/yaml.ts'

export interface OwnMaker {
  readonly own: OwnPart
  readonly maker: Maker
  readonly type: RecordType
}

/** Undefined when it cannot be used; the problems are then the file's. */
export async function ownMaker(yaml: YamlFile, directory: string, written: unknown): Promise<OwnMaker | undefined> {
  const [mention] = namedBy(written, ['use'])
  if (!mention) {
    const expected = 'use: ./parts/name.ts, or use: { ./parts/name.ts: { … } } with settings'
    yaml.add(['use'], { code: 'bad-part', message: "'use' names no file", expected })
    return undefined
  }
  try {
    const own = await loadOwnPart(directory, mention.path)
    const config = configured(own)
    const settings = config.safeParse(typeof written === 'string' ? {} : written)
    if (settings.success) return makerOf(own, settings.data)
    addIssues(yaml, ['use'], settings.error.issues, config)
  } catch (error) {
    if (!(error instanceof OwnPartFault)) throw error
    const { message, expected, suggestion } = error
    yaml.add(mention.at, { code: 'bad-part', message, expected, suggestion }, mention.where)
  }
  return undefined
}

function makerOf(own: OwnPart, settings: unknown): OwnMaker {
  const maker = asked(own, 'open()', () => own.part.open(settings, NOWHERE)) as Maker
  requireAnswers(own.path, 'a Maker: schema, make', maker, ['make'])
  try {
    return { own, maker, type: topicType(maker.schema) }
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error
    throw new OwnPartFault(`the schema of ${own.path} is wrong: ${error.message}`, 'the Avro schema of a record')
  }
}
