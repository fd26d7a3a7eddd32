/** What kind of world a seed makes. Each option can be given, so that a failure can be made smaller. */
import { Random } from './random.ts'

export interface Options {
  /** How events reach the features. */
  readonly shape: 'shuffle' | 'direct' | 'transform'
  readonly features: 'all' | 'passing' | 'closing'
  readonly topics: number
  readonly partitions: number
  /** Partitions of the shuffle topic, or of the one that a transform writes. */
  readonly targets: number
  readonly keys: number
  /** Most workers at a time. */
  readonly workers: number
  readonly rounds: number
  /** Most events of a round. */
  readonly events: number
  /** Share of calls that fail, in percent. */
  readonly faults: number
  /** Share of rounds in which a worker comes, goes, dies, stands still or wakes up, in percent. */
  readonly churn: number
  /** Calls that failed may take effect later. */
  readonly late: boolean
  /** Records that cannot be processed, and events from the future. */
  readonly poison: boolean
  /** Stretches in which nothing comes. */
  readonly quiet: boolean
  /** Positions that no reader is given. */
  readonly markers: boolean
  /** Machines have wrong wall clocks, which are set now and then. */
  readonly clocks: boolean
  /** The state goes back in time. */
  readonly rollback: boolean
  /** The state comes up empty, once. */
  readonly lose: boolean
  /** The feature store goes back in time, or comes up empty. */
  readonly unsay: boolean
  /** Frames are forgotten as soon as they are applied. */
  readonly retain: boolean
  /** A source topic is made again. */
  readonly recreate: boolean
  /** A source topic gets more partitions. */
  readonly grow: boolean
  /** Now and then a service cannot be reached for a while. */
  readonly outages: boolean
  /** Events come before the first worker does. */
  readonly backlog: boolean
  /** Results are said after every row. */
  readonly each: boolean
  /** Events have names of their own. */
  readonly named: boolean
  /** A second topology reads the same topics. */
  readonly twin: boolean
  /** Code of one's own takes part: an aggregation, a transform, a sink. It fails at some events, answers late, or never. */
  readonly own: boolean
  /** The transform looks something up in a table. */
  readonly tables: boolean
  /** What is declared changes while workers run. */
  readonly changes: boolean
}

/** The world of a seed; what is given stands as given, and changes nothing else. */
export function optionsOf(seed: number, given: Partial<Options> = {}): Options {
  const draw = new Random(seed, 'options')
  const shape = draw.pick(['shuffle', 'shuffle', 'direct', 'transform'] as const)
  const drawn: Options = {
    shape,
    features: draw.pick(['all', 'all', 'passing', 'closing'] as const),
    topics: 1 + draw.int(2),
    partitions: 1 + draw.int(3),
    targets: 1 + draw.int(3),
    keys: 2 + draw.int(5),
    workers: 1 + draw.int(3),
    rounds: 40 + draw.int(100),
    events: 1 + draw.int(4),
    faults: draw.chance(0.2) ? 0 : draw.int(12),
    churn: draw.chance(0.2) ? 0 : draw.int(25),
    late: draw.chance(0.7),
    poison: draw.chance(0.3),
    quiet: draw.chance(0.5),
    markers: draw.chance(0.2),
    clocks: draw.chance(0.2),
    rollback: draw.chance(0.25),
    lose: draw.chance(0.1),
    unsay: draw.chance(0.15),
    retain: draw.chance(0.15),
    recreate: draw.chance(0.1),
    grow: draw.chance(0.1),
    each: draw.chance(0.2),
    named: draw.chance(0.5),
    twin: draw.chance(0.2),
    own: draw.chance(0.25),
    tables: draw.chance(0.5),
    changes: draw.chance(0.3),
    outages: draw.chance(0.3),
    backlog: draw.chance(0.3),
  }
  return possible({ ...drawn, ...given })
}

/** Without what does not go together. */
function possible(options: Options): Options {
  const isDirect = options.shape === 'direct' || (options.shape === 'transform' && options.keys % 2 === 0)
  // a rebuild, and a clock that silence moves and the state forgets, may find other events late
  const closes = options.features === 'closing'
  return {
    ...options,
    topics: options.shape === 'shuffle' ? options.topics : 1,
    // what code of one's own remembers is never forgotten
    own: options.own && options.features !== 'passing',
    tables: options.tables && options.shape === 'transform',
    named: options.named || options.shape === 'transform',
    lose: options.lose && !closes && !options.changes,
    retain: options.retain && !closes && !isDirect && !options.changes,
    rollback: options.rollback && !(closes && isDirect),
    // what stood in a topic before it was made again cannot be computed again
    recreate: options.recreate && options.shape !== 'direct' && !options.lose && !options.retain && !options.changes,
    grow: options.grow && options.shape !== 'direct',
  }
}
