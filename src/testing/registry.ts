/**
 * What every schema registry must hold to: the same suite runs on files and on a real registry. For a registry of your
 * own, call `registrySuite` from a vitest file. Subjects get unique names, so that it may run on a registry that others
 * use; new subjects must be BACKWARD compatible.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Registry } from '../core/model.ts'

/** A registry that is open, and what the suite may do to it. */
export interface RegistryUnderTest {
  readonly registry: Registry
  /** A new handle on the same schemas. Closed by the suite. */
  another(): Promise<Registry>
  /** Called once, after the last test. */
  close(): Promise<void>
}

/** What the suite of a registry needs. */
export interface RegistrySuite {
  readonly name: string
  /** Called once, before the first test. */
  open(): Promise<RegistryUnderTest>
}

const record = (...fields: readonly object[]) => ({ type: 'record', name: 'Suite', namespace: 'millrace', fields })
/** A schema that no other test or run has registered. */
const unique = () => record({ name: `f${randomUUID().replaceAll('-', '')}`, type: 'long', default: 0 })
const newSubject = () => `suite.${randomUUID()}_x-value`

/** Declares the suite; call it at the top of a vitest file. */
export function registrySuite({ name, open }: RegistrySuite): void {
  describe(`${name}: a schema registry`, () => {
    let under: RegistryUnderTest
    let registry: Registry
    beforeAll(async () => {
      under = await open()
      registry = under.registry
    })
    afterAll(() => under.close())

    it('answers a registered schema by its id and as the newest of its subject', async () => {
      const [subject, schema] = [newSubject(), unique()]
      const id = await registry.register(subject, schema)
      expect(id).toBeGreaterThan(0)
      expect(id).toBeLessThan(2 ** 31)
      expect(await registry.schema(id)).toEqual(schema)
      expect(await registry.latest(subject)).toEqual({ id, schema })
    })

    it('keeps docs, defaults, aliases and logical types', async () => {
      const schema = {
        ...record(
          { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' }, doc: 'when — ü' },
          { name: 'note', aliases: ['remark'], type: ['null', 'string'], default: null },
        ),
        aliases: ['other.Older'],
        doc: 'a schema',
      }
      expect(await registry.schema(await registry.register(newSubject(), schema))).toEqual(schema)
    })

    it('answers the same id for the same schema again, also to many at once and by another handle', async () => {
      const [subject, schema] = [newSubject(), unique()]
      const other = await under.another()
      const ids = await Promise.all(Array.from({ length: 8 }, () => registry.register(subject, schema)))
      ids.push(await other.register(subject, schema))
      expect(new Set(ids).size).toBe(1)
      await other.close()
    })

    it('answers schemas by id to a handle opened later', async () => {
      const [subject, schema] = [newSubject(), unique()]
      const id = await registry.register(subject, schema)
      const later = await under.another()
      expect(await later.schema(id)).toEqual(schema)
      expect(await later.latest(subject)).toEqual({ id, schema })
      await later.close()
    })

    it('answers a schema that another handle registered meanwhile', async () => {
      const schema = unique()
      const other = await under.another()
      const id = await other.register(newSubject(), schema)
      expect(await registry.schema(id)).toEqual(schema)
      await other.close()
    })

    it('keeps every version readable, and the newest is the latest', async () => {
      const [subject, first] = [newSubject(), unique()]
      const second = record(...first.fields, { name: 'more', type: ['null', 'double'], default: null })
      const before = await registry.register(subject, first)
      const after = await registry.register(subject, second)
      expect(after).not.toBe(before)
      expect(await registry.schema(before)).toEqual(first)
      expect(await registry.latest(subject)).toEqual({ id: after, schema: second })
    })

    it('refuses a schema that cannot read what the version before wrote', async () => {
      const [subject, first] = [newSubject(), unique()]
      const id = await registry.register(subject, first)
      for (const strange of [record(...first.fields, { name: 'must', type: 'string' }), { type: 'nonsense' }])
        await expect(registry.register(subject, strange)).rejects.toMatchObject({ code: 'schema-incompatible' })
      expect(await registry.latest(subject)).toEqual({ id, schema: first })
    })

    it('says of an id that nobody has that the schema is unknown', async () => {
      await expect(registry.schema(2_147_483_000)).rejects.toMatchObject({ code: 'schema-unknown' })
    })

    it('knows nothing of a subject that nobody has', async () => {
      for (const subject of [newSubject(), '__proto__', '../orders-value'])
        expect(await registry.latest(subject)).toBe(undefined)
    })
  })
}
