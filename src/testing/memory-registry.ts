import { isDeepStrictEqual } from 'node:util'
import { MillraceError } from '../core/errors.ts'
import type { Registry } from '../core/model.ts'
import { mismatch } from '../core/resolution.ts'
import { parseSchema } from '../core/schema.ts'

/** A schema registry in memory, for tests: it passes the same conformance suite as the real ones. */
export class MemoryRegistry implements Registry {
  /** The id of a schema is its place here, from 1. */
  private readonly schemas: unknown[] = []
  private readonly newest = new Map<string, number>()

  async schema(id: number): Promise<unknown> {
    const found = this.schemas[id - 1]
    if (found === undefined) throw new MillraceError('schema-unknown', `there is no schema ${id}`)
    return found
  }

  async latest(subject: string): Promise<{ readonly id: number; readonly schema: unknown } | undefined> {
    const id = this.newest.get(subject)
    return id === undefined ? undefined : { id, schema: this.schemas[id - 1] }
  }

  async register(subject: string, schema: unknown): Promise<number> {
    const before = await this.latest(subject)
    const fault = faultOf(before?.schema, schema)
    if (fault !== undefined)
      throw new MillraceError('schema-incompatible', `the schema for ${subject} is refused: ${fault}`)
    const known = this.schemas.findIndex((other) => isDeepStrictEqual(other, schema))
    const id = known === -1 ? this.schemas.push(structuredClone(schema)) : known + 1
    this.newest.set(subject, id)
    return id
  }

  async close(): Promise<void> {
    this.newest.clear()
  }
}

function faultOf(before: unknown, schema: unknown): string | undefined {
  try {
    const type = parseSchema(schema)
    return before === undefined ? undefined : mismatch(parseSchema(before), type, 'all')
  } catch (error) {
    return (error as Error).message
  }
}
