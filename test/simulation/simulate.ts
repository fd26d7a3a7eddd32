/** One run: a world is made by its seed, lives, comes to rest, and is held to the rules. */
import { check, checkProgress, checkServed, endsOf, misserved, NOTICED_AFTER, unfinished } from './checks.ts'
import { Hazards } from './hazards.ts'
import { type Options, optionsOf } from './options.ts'
import { Random } from './random.ts'
import { Violation, World } from './world.ts'

export interface Outcome {
  readonly seed: number
  readonly options: Options
  /** Of every call, its answer and its time. */
  readonly hash: string
  readonly steps: number
  readonly rebuilds: number
  readonly events: number
  /** Undefined when all rules held. */
  readonly violation: Violation | undefined
  readonly trace: readonly string[]
}

export async function simulate(seed: number, given: Partial<Options> = {}, keepsTrace = false): Promise<Outcome> {
  const options = optionsOf(seed, given)
  const world = new World(seed, options, keepsTrace)
  const onRejection = (error: unknown) => {
    world.violations.push(new Violation('unhandled', error instanceof Error ? String(error.stack) : String(error)))
  }
  process.on('unhandledRejection', onRejection)
  // most of what fails here is meant to, and a stack takes longer than a step
  const { stackTraceLimit } = Error
  if (!keepsTrace) Error.stackTraceLimit = 0
  let violation: Violation | undefined
  try {
    await live(world, new Random(seed, 'life'))
    await check(world, true)
    await checkProgress(world)
    await checkAliases(world)
    violation = world.violations[0]
  } catch (error) {
    violation =
      error instanceof Violation
        ? error
        : new Violation('crash', error instanceof Error ? String(error.stack) : String(error))
  } finally {
    for (const machine of [...world.machines]) world.kill(machine)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', onRejection)
    Error.stackTraceLimit = stackTraceLimit
  }
  const { trace, steps, rebuilds, producer } = world
  return {
    seed,
    options,
    hash: trace.hash,
    steps,
    rebuilds,
    events: producer.sent.length,
    violation,
    trace: trace.lines,
  }
}

/** So often events come before the first worker. */
const BACKLOG = 8

/** Who has caught up says so again now and then: meanwhile its generation may have got another rank. */
async function checkAliases(world: World): Promise<void> {
  if (world.options.changes && (await misserved(world))) await world.settle(NOTICED_AFTER)
  const what = await misserved(world)
  if (what) throw new Violation('aliases', what)
}

/** No window of these worlds is longer. */
const LONGEST = 22_000

async function live(world: World, random: Random): Promise<void> {
  const { options, network, groups, producer } = world
  const hazards = new Hazards(world, random)
  world.serves = (namespace) => checkServed(world, namespace)
  await world.open()
  if (options.backlog) {
    for (let n = 0; n < BACKLOG; n++) await producer.produce()
    world.declareAll()
  }
  world.begin()
  let quietUntil = 0
  for (let round = 0; round < options.rounds; round++) {
    if (options.quiet && random.chance(0.03)) quietUntil = round + 20
    const comes = random.chance(0.5)
    if (comes && round >= quietUntil) await producer.produce()
    await hazards.strike()
    network.comeLate(0.05)
    for (let n = random.int(24); n > 0; n--) await world.step()
    if (random.chance(0.7)) await world.pass(random.int(8) * 100)
    if (random.chance(0.02)) groups.shuffle()
    if (random.chance(0.015)) await look(world)
  }
  await end(world, hazards, random)
}

/** Between faults: what has come to rest is right, while windows are still full. */
async function look(world: World): Promise<void> {
  if (world.clock.monotonic() - world.rolledBackAt < LONGEST) return
  const { faults } = world.network
  const { share, away } = faults
  faults.share = 0
  faults.away = undefined
  await world.settle(1_500)
  const ends = endsOf(world)
  if (world.hasReadAll()) await world.settle(1_500)
  if (world.hasReadAll() && unfinished(world, ends) === undefined) await check(world)
  faults.share = share
  faults.away = away
}

/** Faults are over; who stood still wakes up and what was under way arrives, before or after the others have come to rest. */
async function end(world: World, hazards: Hazards, random: Random): Promise<void> {
  const { network } = world
  network.faults.share = 0
  network.faults.away = undefined
  const wakesFirst = random.chance(0.5)
  if (wakesFirst) wake(world)
  await rest(world)
  if (world.clock.monotonic() - world.rolledBackAt >= LONGEST) await check(world)
  // no event comes any more by which tasks would notice
  if (world.options.rollback) hazards.goBack()
  if (!wakesFirst) wake(world)
  await world.settle(world.options.rollback ? LONGEST : random.int(8_000))
  if (world.options.unsay) {
    // when nothing is left that time alone would have said again
    await world.settle(LONGEST)
    hazards.unsayAll()
    await world.producer.produce()
  }
  await rest(world)
  if (world.options.tables) {
    // what was written last has been read by now
    world.prices.isStill = true
    await world.producer.produce()
    await rest(world)
  }
  const ends = endsOf(world)
  await world.settle(Math.max(4_000, NOTICED_AFTER - (world.clock.monotonic() - world.unsaidAt)))
  const left = world.hasReadAll() ? unfinished(world, ends) : 'not all is read'
  if (left) throw new Violation('stuck', left)
}

function wake({ machines, network }: World): void {
  for (const { host } of machines) if (!host.isRunning) host.thaw()
  network.comeLate(1)
}

async function rest(world: World): Promise<void> {
  for (let tries = 0; ; tries++) {
    if (world.running.length === 0) world.begin()
    const ends = endsOf(world)
    await world.settle(2_500)
    const [blocked] = world.blocked()
    if (blocked) {
      if (!mayStop(world.options)) throw new Violation('stopped', blocked)
      await world.rebuild()
    } else if (world.hasReadAll() && unfinished(world, ends) === undefined) return
    if (tries === 40) throw new Violation('stuck', unfinished(world, ends) ?? 'not all is read')
  }
}

/** Worlds in which only an operator can help. */
export const mayStop = ({ lose, retain }: Options): boolean => lose || retain
