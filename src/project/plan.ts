/** What deploying the files would do to what is deployed, and what of that nobody needs any more. Pure. */
import { misfit } from '../core/fit.ts'
import { topicType } from '../core/schema.ts'
import type { DeployedTopology } from '../engine/deployment.ts'
import { type About, aboutOf } from './about.ts'
import type { AnyTopology } from './kinds.ts'

/** From harmless to not. `rebuild`: a new generation is computed beside the old one. */
export const VERDICTS = ['unchanged', 'new', 'safe', 'rebuild', 'breaking', 'removed'] as const
export type Verdict = (typeof VERDICTS)[number]

export interface Change {
  readonly topology: string
  readonly verdict: Verdict
  /** The generation that is to run; undefined for a topology that is removed. */
  readonly generation: string | undefined
  /** The generation that serves features now. */
  readonly serving: string | undefined
  /** What changes, for people. */
  readonly notes: readonly string[]
}

/** A generation that neither runs nor serves, by what is known here. */
export interface OldGeneration {
  readonly topology: string
  readonly generation: string
  readonly because: 'removed' | 'superseded'
}

export interface Plan {
  readonly changes: readonly Change[]
  readonly old: readonly OldGeneration[]
}

/** `aliases`: the namespace that serves a topology. */
export function planOf(
  declared: readonly AnyTopology[],
  deployed: ReadonlyMap<string, DeployedTopology>,
  aliases: ReadonlyMap<string, string | undefined>,
): Plan {
  const names = new Set(declared.map(({ name }) => name))
  const removed = [...deployed.keys()].filter((name) => !names.has(name)).sort()
  return {
    changes: [
      ...declared.map((topology) => changeOf(topology, deployed.get(topology.name), aliases.get(topology.name))),
      ...removed.map((topology) => removalOf(topology, aliases.get(topology))),
    ],
    old: [
      ...declared.flatMap(({ name, generation }) =>
        supersededOf(name, generation, deployed.get(name), aliases.get(name)),
      ),
      ...removed.flatMap((topology) =>
        Object.keys(deployed.get(topology)?.generations ?? {}).map(
          (generation): OldGeneration => ({ topology, generation, because: 'removed' }),
        ),
      ),
    ],
  }
}

function changeOf(topology: AnyTopology, before: DeployedTopology | undefined, alias: string | undefined): Change {
  const { name, generation, definition } = topology
  const change = { topology: name, generation, serving: alias?.split('@').at(-1) }
  const now = before?.generations[before.current.generation]
  if (!before || !now) return { ...change, verdict: 'new', notes: ['computed from where `start` says'] }
  const isSame = generation === before.current.generation
  if (isSame && definition === now.definition) return { ...change, verdict: 'unchanged', notes: [] }
  const [was, is] = [now.about as About, aboutOf(topology)]
  const breaks = breaksOf(was, is)
  const notes = isSame
    ? withinGeneration(was, is)
    : [otherGeneration(generation in before.generations), ...(is.kind === 'features' ? [OTHER_MEANING] : [])]
  const verdict = breaks.length > 0 ? 'breaking' : isSame ? 'safe' : 'rebuild'
  return { ...change, verdict, notes: [...breaks, ...notes] }
}

/** What readers of features or of output topics may stumble over. */
function breaksOf(was: About, is: About): string[] {
  if (was.kind !== is.kind) return [`it is a ${is.kind} now, and was ${was.kind}`]
  const features = Object.entries(was.features).flatMap(([name, { type }]) => {
    const now = is.features[name]?.type
    if (now === undefined) return [`feature ${name} is gone`]
    return now === type ? [] : [`feature ${name} is ${now} now, and was ${type}`]
  })
  const topics = Object.entries(was.writes).flatMap(([topic, schema]) => {
    if (!(topic in is.writes)) return [`topic ${topic} is no longer written`]
    const isJson = is.json?.includes(topic) ?? false
    if (isJson !== (was.json?.includes(topic) ?? false))
      return [`records of topic ${topic} are ${isJson ? 'JSON' : 'Avro'} now, and were ${isJson ? 'Avro' : 'JSON'}`]
    const [before, now] = [topicType(schema), topicType(is.writes[topic])]
    const fault = misfit(now, before) ?? misfit(before, now)
    return fault === undefined ? [] : [`records of topic ${topic} do not fit its readers: ${fault}`]
  })
  return [...features, ...topics]
}

function withinGeneration(was: About, is: About): string[] {
  const remembered = new Set(Object.values(was.features).map(({ memory }) => memory))
  const notes = Object.entries(is.features).flatMap(([name, { memory }]) => {
    const before = was.features[name]
    if (memory === undefined || before?.memory === memory) return before ? [] : [`feature ${name} is added`]
    if (remembered.has(memory)) return before ? [] : [`feature ${name} is added, over what is remembered already`]
    return before
      ? [`feature ${name} is computed in another way: it counts from now on, and means something else to its readers`]
      : [`feature ${name} is added: it counts from now on`]
  })
  return notes.length > 0 ? notes : [SAME_MEMORY]
}

/** Only what is remembered is compared: the length of a window is no part of it. */
const SAME_MEMORY =
  'what is remembered stays; a feature whose window, `as` or default changed means something else to its readers, ' +
  'and a window made longer fills as time passes'
const OTHER_MEANING = 'what `from`, `by` or `where` now say, the values mean: readers get others under the same names'

const otherGeneration = (isKnown: boolean): string =>
  isKnown
    ? 'a generation that ran before: it goes on where it stopped; the alias moves back when it has caught up'
    : 'computed from where `start` says, beside the old generation; the alias moves when it has caught up'

function removalOf(topology: string, alias: string | undefined): Change {
  const notes = ['it stops; its state and features stay until `millrace plan --apply`']
  return { topology, verdict: 'removed', generation: undefined, serving: alias?.split('@').at(-1), notes }
}

/** Neither declared, nor the latest that was deployed, nor served. */
function supersededOf(
  topology: string,
  declared: string,
  deployed: DeployedTopology | undefined,
  alias: string | undefined,
): OldGeneration[] {
  return Object.keys(deployed?.generations ?? {})
    .filter((generation) => generation !== declared && generation !== deployed?.current.generation)
    .filter((generation) => alias !== `${topology}@${generation}`)
    .map((generation) => ({ topology, generation, because: 'superseded' }))
}
