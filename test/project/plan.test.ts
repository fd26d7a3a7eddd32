import { describe, expect, it } from 'vitest'
import type { DeployedTopology } from '../../src/engine/deployment.ts'
import { type About, aboutOf } from '../../src/project/about.ts'
import { checkProject, type Project } from '../../src/project/check.ts'
import type { AnyTopology } from '../../src/project/kinds.ts'
import { planOf } from '../../src/project/plan.ts'

const { topologies } = (await checkProject('.')).project as Project
const load = topologies.find(({ name }) => name === 'store-load') as AnyTopology

/** As it would be had it been deployed as declared, but for what is changed. */
function deployed(
  topology: AnyTopology,
  change: (about: About) => object = () => ({}),
  generation = topology.generation,
) {
  const about = { ...aboutOf(topology), ...change(aboutOf(topology)) }
  const known = { definition: 'before', declaredAt: 1, sources: ['orders'], shuffle: 4, about }
  const one: DeployedTopology = {
    current: { generation, rank: 1, declaredAt: 1 },
    generations: { [generation]: known },
  }
  return new Map([[topology.name, JSON.parse(JSON.stringify(one)) as DeployedTopology]])
}

const only = (before: ReadonlyMap<string, DeployedTopology>, alias?: string) => {
  const plan = planOf([load], before, new Map([[load.name, alias]]))
  return { ...plan.changes[0], old: plan.old }
}

describe('a plan', () => {
  it('calls a changed definition safe where nothing that is read or remembered changes', () => {
    expect(only(deployed(load))).toMatchObject({
      verdict: 'safe',
      notes: [expect.stringMatching(/^what is remembered stays; /)],
    })
  })

  it('calls records that are JSON now breaking', () => {
    const pickups = topologies.find(({ name }) => name === 'pickups') as AnyTopology
    const before = deployed(pickups, () => ({ json: ['pickups'] }))
    expect(planOf([pickups], before, new Map()).changes[0]).toMatchObject({
      verdict: 'breaking',
      notes: expect.arrayContaining(['records of topic pickups are Avro now, and were JSON']),
    })
  })

  it('calls a feature of another type breaking', () => {
    const before = deployed(load, ({ features }) => ({ features: { ...features, orders_10m: { type: 'string' } } }))
    expect(only(before)).toMatchObject({
      verdict: 'breaking',
      notes: ['feature orders_10m is long now, and was string', expect.anything()],
    })
  })

  it('calls records that readers of a topic cannot read breaking', () => {
    const before = deployed(load, ({ writes }) => {
      const [[topic, schema]] = Object.entries(writes) as [[string, { fields: object[] }]]
      return { writes: { [topic]: { ...schema, fields: [...schema.fields, { name: 'city', type: 'string' }] } } }
    })
    expect(only(before)).toMatchObject({
      verdict: 'breaking',
      notes: ['records of topic store-features do not fit its readers: city: it is missing', expect.anything()],
    })
  })

  it('calls a topic that is no longer written breaking', () => {
    const before = deployed(load, ({ writes }) => ({ writes: { ...writes, 'store-values': Object.values(writes)[0] } }))
    expect(only(before)).toMatchObject({
      verdict: 'breaking',
      notes: ['topic store-values is no longer written', expect.anything()],
    })
  })

  it('keeps a generation that serves, and the newest, though it is not declared', () => {
    const [[name, one]] = deployed(load, undefined, 'current') as unknown as [[string, DeployedTopology]]
    const more = { ...one.generations, serves: one.generations.current, old: one.generations.current }
    const before = new Map([[name, { ...one, generations: more } as DeployedTopology]])
    expect(only(before, `${name}@serves`)).toMatchObject({
      verdict: 'rebuild',
      serving: 'serves',
      old: [{ topology: name, generation: 'old', because: 'superseded' }],
    })
  })

  it('calls what runs no more removed, with every generation of it', () => {
    const plan = planOf([], deployed(load), new Map())
    expect(plan.changes).toMatchObject([{ topology: load.name, verdict: 'removed', generation: undefined }])
    expect(plan.old).toEqual([{ topology: load.name, generation: load.generation, because: 'removed' }])
  })
})
