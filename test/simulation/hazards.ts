/** What happens to a world beside its network: to machines, clocks, stores and topics. */
import { reduceTask, shuffleTopic } from '../../src/engine/names.ts'
import { Changes } from './changes.ts'
import { directOf, shuffleOf, sourcesOf } from './flows.ts'
import { PRICES } from './prices.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

const SERVICES = ['state.', 'store.', 'write ', 'ranges ', 'read ']

export class Hazards {
  private readonly world: World
  private readonly random: Random
  private readonly states: (() => void)[] = []
  private readonly stores: (() => void)[] = []
  private readonly changes: Changes
  private wasLost = false
  private isRecreated = false

  constructor(world: World, random: Random) {
    this.world = world
    this.random = random
    this.changes = new Changes(world, random)
  }

  /** Each may strike, by its own chance. */
  async strike(): Promise<void> {
    const { options } = this.world
    // drawn always, so that leaving one out changes nothing of the others
    const draw = () => this.random.next()
    const [machines, clocks, rollback, lose, unsay] = [draw(), draw(), draw(), draw(), draw()]
    const [retain, recreate, grow, operator, change, outage] = [draw(), draw(), draw(), draw(), draw(), draw()]
    if (machines < options.churn / 100 || this.world.machines.length === 0) this.machines()
    if (options.clocks && clocks < 0.05) this.setClock()
    if (options.rollback) this.rollBack(rollback)
    if (options.unsay) this.unsay(unsay)
    if (options.outages) this.outage(outage)
    if (options.lose && !this.wasLost && lose < 0.01) this.lose()
    if (options.retain && retain < 0.05) this.retain()
    if (options.recreate && !this.isRecreated && recreate < 0.02) await this.recreate()
    if (options.grow && grow < 0.01) this.grow()
    if (options.changes && change < 0.04) {
      this.changes.strike()
      // a copy of before knows nothing of what came since
      this.states.length = 0
    }
    if (operator < 0.1 && this.world.blocked().length > 0 && (options.lose || options.retain))
      await this.world.rebuild()
  }

  private machines(): void {
    const { world, random } = this
    const { machines, options, groups } = world
    const frozen = machines.filter(({ host }) => !host.isRunning)
    const kind = random.int(6)
    const one = random.int(1_000)
    const any = machines[one % Math.max(1, machines.length)]
    if (machines.length === 0 || (kind === 0 && machines.length < options.workers)) world.begin()
    else if (kind === 1 && any?.host.isRunning) world.stop(any)
    else if (kind === 2 && any) world.kill(any)
    else if (kind === 3 && any?.host.isRunning) any.host.freeze()
    else if (kind === 4) frozen[one % Math.max(1, frozen.length)]?.host.thaw()
    else if (kind === 5) groups.shuffle()
  }

  private setClock(): void {
    const { world, random } = this
    const { running, clock, options } = world
    const by = (random.int(2) === 0 ? 1 : -1) * random.int(random.int(2) === 0 ? 500 : 60_000)
    world.trace.note('clock', by)
    // a store that may go back in time needs a clock that does not
    if (random.int(3) === 0 && !options.rollback && !options.lose) {
      clock.set(by)
      world.wasSet = true
    } else if (running.length > 0) random.pick(running).host.off += by
  }

  /** The state, the feature store, or the brokers for whoever writes or asks how far a log goes. */
  private outage(draw: number): void {
    const { network } = this.world
    const { away } = network.faults
    if (away === undefined ? draw > 0.04 : draw > 0.1) return
    network.faults.away = away === undefined ? this.random.pick(SERVICES) : undefined
    network.trace.note('away', network.faults.away)
  }

  private rollBack(draw: number): void {
    const { state, options } = this.world
    // what goes back to before a task began is a loss, and a stop
    if (draw < 0.05 && (options.lose || this.world.hasBegun())) this.states.push(state.snapshot())
    else if (draw > 0.985) this.goBack()
  }

  /** The state goes back to one of the moments that were kept, where there are any. */
  goBack(): void {
    const { world, states } = this
    if (states.length === 0) return
    world.trace.note('the state goes back')
    world.rolledBackAt = world.clock.monotonic()
    this.random.pick(states)()
    world.commits.wentBack()
  }

  private unsay(draw: number): void {
    const { store, trace, clock } = this.world
    if (this.stores.length === 0 || draw < 0.05) this.stores.push(store.snapshot())
    else if (draw > 0.98) {
      trace.note('the feature store goes back')
      this.world.unsaidAt = clock.monotonic()
      this.random.pick(this.stores)()
    }
  }

  /** The feature store comes up as it was first. */
  unsayAll(): void {
    this.world.trace.note('the feature store goes back to its first')
    this.world.unsaidAt = this.world.clock.monotonic()
    this.stores[0]?.()
  }

  private lose(): void {
    this.wasLost = true
    this.world.trace.note('the state is lost')
    this.world.state.clear()
    this.world.commits.wentBack()
    // a copy of before would bring it back
    this.states.length = 0
  }

  /** Of frames, only what is not yet applied remains. */
  private retain(): void {
    const { world } = this
    for (const deployed of world.deployed) {
      const shuffle = shuffleOf(world.options, deployed.name)
      if (directOf(world.options, deployed.name) !== undefined || shuffle === undefined) continue
      const partition = this.random.int(shuffle)
      const position = world.state.stored(reduceTask(deployed, partition))?.position
      if (position === undefined || position === 0) continue
      world.trace.note('forgets', deployed.name, partition, position)
      world.log.forget({ topic: shuffleTopic('test', { ...deployed }), partition }, position)
    }
  }

  /** A topic is made again under its name, once all of it was read. */
  private async recreate(): Promise<void> {
    const { world, random } = this
    const { options } = world
    const topic = random.pick([...sourcesOf(options), ...(options.tables ? [PRICES] : [])])
    const partitions = world.log.partitions(topic)
    if (topic === PRICES) world.prices.gone()
    else if (!world.hasRead(topic)) return
    this.isRecreated = true
    world.trace.note('made again', topic)
    await world.log.deleteTopic(topic)
    await world.log.create({ name: topic, partitions, retentionMs: -1 })
    world.groups.topicChanged(topic, true)
  }

  private grow(): void {
    const { world, random } = this
    const topic = random.pick(sourcesOf(world.options))
    world.log.grow(topic, world.log.partitions(topic) + 1)
    world.trace.note('grows', topic)
    this.states.length = 0
    world.groups.topicChanged(topic, false)
  }
}
