/**
 * Bugs that other systems had, planted here one at a time: a snippet of a file is replaced by another. Each has to be caught by the
 * simulation or by a conformance suite.
 */
import type { Options } from '../simulation/options.ts'

export interface PlantedBug {
  readonly name: string
  /** Where a system had one of the kind. */
  readonly like: string
  /** Below `src`. */
  readonly file: string
  /** Stands in the file once. */
  readonly find: string
  readonly replace: string
  /** Worlds that show it, or the conformance suite that does. */
  readonly by: { readonly worlds: Partial<Options> } | { readonly suite: string }
  /** No test of one part, or of the engine without faults, sees it: `--unit` plants all of these at once. */
  readonly isInvisible?: true
}

const kafka = (pull: number) => `https://github.com/apache/kafka/pull/${pull}`
const flink = (pull: number) => `https://github.com/apache/flink/pull/${pull}`
const STORM: Partial<Options> = { faults: 10, churn: 22, workers: 3, late: true, features: 'all', shape: 'shuffle' }
const SUITE_OF_STATES = 'test/state/embedded.test.ts'
const SUITE_OF_STORES = 'test/stores/embedded.test.ts'

export const BUGS: readonly PlantedBug[] = [
  {
    name: 'a step is committed before its results are said',
    like: 'https://github.com/Altinity/clickhouse-sink-connector/issues/1299',
    file: 'engine/reduce.ts',
    find: `    const version = await this.outputs.write(emissions)
    this.outputs.said = version
    await this.ledger.commit({ keys: bytes, timers })`,
    replace: `    await this.ledger.commit({ keys: bytes, timers })
    this.outputs.said = await this.outputs.write(emissions)`,
    by: { worlds: STORM },
  },
  {
    name: 'a mapper commits its position before its frames are written',
    like: flink(2108),
    file: 'engine/map.ts',
    find: `    if (frames.length > 0) await this.write('writing frames', frames)
    this.ledger.done = next
`,
    replace: `    this.ledger.done = next
    await this.ledger.commit()
    if (frames.length > 0) await this.write('writing frames', frames)
`,
    by: { worlds: STORM },
  },
  {
    name: 'frames that were refused count as written',
    like: flink(3278),
    file: 'engine/map.ts',
    find: `    if (frames.length > 0) await this.write('writing frames', frames)
    this.ledger.done`,
    replace: `    if (frames.length > 0) await this.context.transport.write(frames).catch(() => undefined)
    this.ledger.done`,
    by: { worlds: STORM },
  },
  {
    name: 'frames are not waited for',
    like: flink(4871),
    file: 'engine/map.ts',
    find: `    if (frames.length > 0) await this.write('writing frames', frames)
    this.ledger.done`,
    replace: `    if (frames.length > 0) void this.write('writing frames', frames).catch(() => undefined)
    this.ledger.done`,
    by: { worlds: STORM },
  },
  {
    name: 'rows that were applied before are applied again',
    like: 'https://github.com/awslabs/amazon-kinesis-client/issues/265',
    file: 'engine/sources.ts',
    find: 'while (from < rows.length && (rows.position[from] as number) <= source.applied) from++',
    replace: 'while (from < rows.length && (rows.position[from] as number) < 0) from++',
    by: { worlds: STORM },
  },
  {
    name: 'what was applied of a source is forgotten with its owner',
    like: kafka(6694),
    file: 'engine/sources.ts',
    find: `      const applied = from.number()
`,
    replace: `      const applied = Math.min(-1, from.number())
`,
    by: { worlds: STORM },
  },
  {
    name: 'the last row of a frame is dropped',
    like: 'https://github.com/apache/flink-connector-kafka/pull/107',
    file: 'engine/rows-by-key.ts',
    find: `  private eachRow(visit: (number: number, frame: number, row: number) => void): void {
    for (const [frame, { rows, from }] of this.frames.entries()) {`,
    replace: `  private eachRow(visit: (number: number, frame: number, row: number) => void): void {
    for (const [frame, { rows: all, from }] of this.frames.entries()) {
      const rows = { ...all, keyOf: all.keyOf, length: all.length > from + 1 ? all.length - 1 : all.length }`,
    by: { worlds: STORM },
  },
  {
    name: 'what a fenced task had in memory is used after it has opened again',
    like: kafka(7608),
    file: 'engine/key-states.ts',
    find: `    this.claim = claim
    this.begin(slots)`,
    replace: `    this.claim = claim
    this.reducer ??= this.begin(slots)`,
    by: { worlds: STORM },
  },
  {
    name: 'a task that was fenced tries the same again for ever',
    like: 'https://github.com/awslabs/amazon-kinesis-client/issues/108',
    file: 'engine/task.ts',
    find: 'if (error instanceof Fenced || error instanceof ClearStop || this.ended.signal.aborted) throw error',
    replace: 'if (error instanceof ClearStop || this.ended.signal.aborted) throw error',
    by: { worlds: STORM },
  },
  {
    name: 'a commit in doubt counts as done',
    like: kafka(7748),
    file: 'engine/ledger.ts',
    find: `    await state.commit(this.claim, { position: this.done, meta: this.meta(), ...change })
`,
    replace: `    await state.commit(this.claim, { position: this.done, meta: this.meta(), ...change }).catch((error) => {
      if (error.code === 'fenced') throw error
    })
`,
    by: { worlds: STORM },
  },
  {
    name: 'dead letters that cannot be written are skipped',
    like: 'https://github.com/dapr/dapr/issues/8284',
    file: 'engine/map.ts',
    find: `if (dead.length > 0) await this.patiently('writing dead letters', () => this.context.deadLetters.write(dead))`,
    replace: 'if (dead.length > 0) await this.context.deadLetters.write(dead).catch(() => undefined)',
    by: { worlds: { ...STORM, poison: true } },
  },
  {
    name: 'late events that cannot be kept are skipped',
    like: 'https://github.com/confluentinc/kafka-connect-jdbc/issues/1597',
    file: 'engine/reduce.ts',
    find: `if (letters.length > 0) await this.patiently('writing dead letters', () => this.context.deadLetters.write(letters))`,
    replace: 'if (letters.length > 0) await this.context.deadLetters.write(letters).catch(() => undefined)',
    by: { worlds: { ...STORM, features: 'closing', lose: false, retain: false } },
    isInvisible: true,
  },
  {
    name: 'an event counts though it is late',
    like: kafka(5693),
    file: 'aggregations/tumbling.ts',
    find: '    if (this.isTooLate(time, clock) || !this.selected.takes(columns, row)) return\n    const value',
    replace: '    if (!this.selected.takes(columns, row)) return\n    const value',
    by: { worlds: { ...STORM, features: 'closing' } },
  },
  {
    name: 'the future is measured by the wall clock of whoever reads',
    like: 'https://github.com/apache/kafka/pull/4301',
    file: 'engine/mapper.ts',
    find: 'if (time > record.timestamp + settings.skew) {',
    replace: 'if (time > clock.now() + settings.skew) {',
    by: { worlds: { ...STORM, poison: true } },
  },
  {
    name: 'an event from the future moves the clock before it is refused',
    like: flink(22291),
    file: 'engine/mapper.ts',
    find: `        if (time > record.timestamp + settings.skew) {`,
    replace: `        if (time > highest) highest = time
        if (time > record.timestamp + settings.skew) {`,
    by: { worlds: { ...STORM, poison: true, clocks: false } },
  },
  {
    name: 'a timer is met twice',
    like: flink(26766),
    file: 'engine/reduce.ts',
    find: `    this.ledger.done = batch.position
    if (batch.rows.length === 0 && due.length === 0)`,
    replace: `    const again = this as { met?: readonly string[] }
    due.push(...(again.met ?? []))
    again.met = [...due].slice(0, due.length - (again.met?.length ?? 0))
    this.ledger.done = batch.position
    if (batch.rows.length === 0 && due.length === 0)`,
    by: { worlds: STORM },
  },
  {
    name: 'timers are met before their time',
    like: kafka(4301),
    file: 'engine/reduce.ts',
    find: 'state.due(claim, time, settings.maxKeysBehind)',
    replace: 'state.due(claim, time + 3_000, settings.maxKeysBehind)',
    by: { worlds: STORM },
  },
  {
    name: 'events leave a window that the clock has not passed',
    like: kafka(1752),
    file: 'engine/compute.ts',
    find: `  reducer.expire(state, clock)
  const at = Math.max(reducer.newest(state), clock)
  const causeName`,
    replace: `  reducer.expire(state, Math.max(reducer.newest(state), clock))
  const at = Math.max(reducer.newest(state), clock)
  const causeName`,
    by: { worlds: { ...STORM, features: 'closing' } },
  },
  {
    name: 'a silent source says nothing',
    like: 'https://github.com/pravega/flink-connectors/issues/17',
    file: 'engine/map.ts',
    find: 'if (silent?.isLong && isDue) await this.beat(',
    replace: 'if (silent?.isLong && this.ledger.position === 0) await this.beat(',
    by: { worlds: { ...STORM, clocks: false } },
  },
  {
    name: 'the clock goes back with a source that was made again',
    like: 'https://github.com/apache/flink/pull/29024',
    file: 'engine/sources.ts',
    find: 'this.clock = Math.max(this.clock, this.lowest())',
    replace: 'this.clock = this.lowest()',
    by: { worlds: STORM },
  },
  {
    name: 'a topic that was made again goes on at the old position',
    like: 'https://github.com/awslabs/amazon-kinesis-client/pull/1733',
    file: 'engine/map.ts',
    find: 'if (before !== info.incarnation) return this.beginAfter(before)',
    replace: '',
    by: { worlds: { ...STORM, recreate: true } },
  },
  {
    name: 'a source that ended holds the clock for ever',
    like: flink(28486),
    file: 'engine/map.ts',
    find: 'this.frame(target, { upto: start, watermark: Number.NaN, finishes: old }),',
    replace: 'this.frame(target, { upto: start, watermark: Number.NaN }),',
    by: { worlds: { ...STORM, recreate: true } },
  },
  {
    name: 'repeats of named records are forgotten with the owner',
    like: 'https://github.com/databricks/iceberg-kafka-connect/issues/200',
    file: 'engine/map.ts',
    find: 'if (from.left > 0) this.mapper.repeats?.decode(from)',
    replace: '',
    by: { worlds: { ...STORM, shape: 'transform', keys: 5 } },
  },
  {
    name: 'of the records made of one, repeats of the last count',
    like: 'https://github.com/awslabs/amazon-kinesis-client/issues/563',
    file: 'engine/repeats.ts',
    find: '(position === known.position && index <= known.index)',
    replace: '(position === known.position && index < known.index)',
    by: { worlds: { ...STORM, shape: 'transform' } },
  },
  {
    name: 'a transform commits before its records are written',
    like: 'https://github.com/apache/iggy/issues/3847',
    file: 'engine/transform.ts',
    find: `    await this.flush()
    this.ledger.done = next
`,
    replace: `    this.ledger.done = next
    await this.ledger.commit()
    await this.flush()
`,
    by: { worlds: { ...STORM, shape: 'transform' } },
  },
  {
    name: 'a feature store that went back is not told again',
    like: 'https://github.com/confluentinc/kafka-connect-hdfs/issues/57',
    file: 'engine/outputs.ts',
    find: '!mark || compareVersions(mark, said as Version) < 0',
    replace: 'mark !== undefined && compareVersions(mark, said as Version) < 0',
    by: { worlds: { ...STORM, unsay: true } },
  },
  {
    name: 'a feature store that went back is told only what is new',
    like: 'https://github.com/debezium/debezium/pull/1245',
    file: 'engine/outputs.ts',
    find: `      if (behind) {
        await this.sayAll(sink)
        return false
      }
`,
    replace: `      if (behind) {
        await this.tell(sink, { ...batch, said: undefined })
        continue
      }
`,
    by: { worlds: { ...STORM, unsay: true } },
  },
  {
    name: 'a new owner counts its results from the same number',
    like: kafka(13667),
    file: 'engine/outputs.ts',
    find: 'return { generation, epoch: this.epoch, step: ++this.lastStep }',
    replace: 'return { generation, epoch: 0, step: ++this.lastStep }',
    by: { worlds: STORM },
  },
  {
    name: 'what all rows of a key made is said without what time changed since',
    like: kafka(2051),
    file: 'engine/compute.ts',
    find: 'const isSaid = said !== undefined && reducer.nextDue(state, said) > clock',
    replace: 'const isSaid = said !== undefined',
    by: { worlds: { ...STORM, each: true } },
  },
  {
    name: 'a task reads on where the reader is, not where it stands',
    like: 'https://github.com/awslabs/amazon-kinesis-client/issues/751',
    file: 'engine/feed.ts',
    find: 'if (!this.isNear(this.main.next, lane.next)) return false',
    replace: 'if (lane.next === this.main.next && this.main.runners.size === 0) return false',
    by: { worlds: { ...STORM, twin: true } },
  },
  {
    name: 'changed segments of a large state are not written',
    like: kafka(7824),
    file: 'core/segments.ts',
    find: 'if (this.names.has(part.name) && !part.changed) continue',
    replace: 'if (this.names.has(part.name)) continue',
    by: { worlds: STORM },
  },
  {
    name: 'a commit leaves out keys that have changed',
    like: kafka(7737),
    file: 'engine/reduce.ts',
    find: `    const { bytes, timers, emissions, letters } = await this.compute(batch, keys, due, time)
`,
    replace: `    const { bytes, timers, emissions, letters } = await this.compute(batch, keys, due, time)
    for (const name of [...bytes.keys()].slice(1)) if (bytes.size > 2) bytes.delete(name)
`,
    by: { worlds: STORM },
  },
  {
    name: 'a claim that is old may still commit',
    like: kafka(13667),
    file: 'state/embedded.ts',
    find: 'if (claim?.token !== open.token) throw new Fenced()\n  return claim',
    replace: 'if (!claim) throw new Fenced()\n  return claim',
    by: { suite: SUITE_OF_STATES },
  },
  {
    name: 'a commit of another between two of an owner goes unnoticed',
    like: 'https://github.com/awslabs/amazon-kinesis-client/issues/537',
    file: 'state/embedded.ts',
    find: "      if (claim.commits !== open.commits) throw new Fenced('somebody else committed')\n      const { position",
    replace: '      const { position',
    by: { suite: SUITE_OF_STATES },
  },
  {
    name: 'a moved timer leaves its old time behind',
    like: 'https://github.com/apache/flink/pull/3134',
    file: 'state/embedded.ts',
    find: '  if (before) entries.removeSync(timerKey(number, before, name))\n',
    replace: '',
    by: { suite: SUITE_OF_STATES },
  },
  {
    name: 'an older result replaces a newer one',
    like: kafka(13667),
    file: 'stores/embedded.ts',
    find: 'if (stands && compareVersions(batch.version, decodeVersion(new ByteReader(stands))) < 0) continue',
    replace: 'if (stands && batch.emissions.length === 0) continue',
    by: { suite: SUITE_OF_STORES },
  },
  {
    name: 'one page of all values counts as all of them',
    like: 'https://github.com/confluentinc/kafka-connect-hdfs/issues/57',
    file: 'stores/embedded.ts',
    find: '  if (batch.partial) return\n',
    replace: '',
    by: { suite: SUITE_OF_STORES },
  },
  {
    name: 'damage in the midst of the log is taken for a torn end, and what follows is lost',
    like: 'https://github.com/samyama-ai/samyama-graph/pull/1335',
    file: 'transports/embedded/log.ts',
    find: '      if (isAcknowledgedLater(tail, cursor.position, this.seed)) throw cursor.damage(error.message)\n',
    replace: '',
    by: { suite: 'test/transports/embedded/recovery.test.ts' },
  },
  {
    name: 'silence begins by the clock of the worker',
    like: 'https://github.com/bytewax/bytewax/pull/437',
    file: 'engine/mapper.ts',
    find: 'this.highestAt = this.ledger.latestWall()',
    replace: 'this.highestAt = this.context.clock.now()',
    by: { worlds: { ...STORM, clocks: true } },
    isInvisible: true,
  },
  {
    name: 'silence ends by the clock of the worker',
    like: 'https://github.com/bytewax/bytewax/pull/437',
    file: 'engine/map.ts',
    find: 'if (silent?.isLong && isDue) await this.beat(this.ledger.wall(silent.at))',
    replace: 'if (silent?.isLong && isDue) await this.beat(this.context.clock.now())',
    by: { worlds: { ...STORM, clocks: true } },
  },
  {
    name: 'where a topic is read directly, silence ends by the clock of the worker',
    like: 'https://github.com/bytewax/bytewax/pull/437',
    file: 'engine/intake.ts',
    find: 'this.mapper.paced(this.ledger.wall(silent.at))',
    replace: 'this.mapper.paced(this.context.clock.now())',
    by: { worlds: { ...STORM, shape: 'direct', clocks: true } },
  },
  {
    name: 'where a topic is read directly, repeats of named records are forgotten with the owner',
    like: 'https://github.com/databricks/iceberg-kafka-connect/issues/200',
    file: 'engine/intake.ts',
    find: 'if (from.left > 0) this.mapper.repeats?.decode(from)',
    replace: '',
    by: { worlds: { ...STORM, shape: 'transform', keys: 4 } },
  },
  {
    name: 'which events are late is decided by how they were read',
    like: 'https://github.com/feldera/feldera/issues/1675',
    file: 'engine/intake.ts',
    find: 'reached[rows.length] = highest',
    replace: 'reached[rows.length] = Math.min(highest, this.mapper.highest)',
    by: { worlds: { ...STORM, shape: 'direct', features: 'closing', rollback: false } },
    isInvisible: true,
  },
  {
    name: 'a table goes on behind what it failed to read',
    like: kafka(3054),
    file: 'engine/tables.ts',
    find: `    let next = known < start || known > end ? start : known
`,
    replace: `    let next = known < start || known > end ? start : known
    this.next[partition] = end
`,
    by: { worlds: { ...STORM, shape: 'transform', tables: true } },
    isInvisible: true,
  },
  {
    name: 'the rows of a key are applied in the opposite order',
    like: kafka(7748),
    file: 'engine/rows-by-key.ts',
    find: `      const at = next[number] as number
      next[number] = at + 1
`,
    replace: `      next[number] = (next[number] as number) + 1
      const at = (starts[number] as number) + (starts[number + 1] as number) - (next[number] as number)
`,
    by: { worlds: STORM },
  },
  {
    name: 'an old claim may still commit, now and then',
    like: kafka(13667),
    file: 'testing/memory-state.ts',
    find: 'if (!stored || stored.token !== token) throw new Fenced()',
    replace: 'if (!stored || (stored.token !== token && stored.epoch % 2 === 0)) throw new Fenced()',
    by: { worlds: STORM },
  },
  {
    name: 'a key whose code failed keeps what the row had changed',
    like: 'https://github.com/apache/flink/pull/3278',
    file: 'engine/careful.ts',
    find: '    this.states.delete(key)\n    this.reducer = this.renew()',
    replace: '    this.reducer = this.renew()',
    by: { worlds: { ...STORM, own: true } },
  },
  {
    name: 'a transform skips dead letters that cannot be written',
    like: 'https://github.com/yaalalabs/agent-kernel/pull/630',
    file: 'engine/transform.ts',
    find: `if (dead.length > 0) await this.patiently('writing dead letters', () => deadLetters.write(dead))`,
    replace: 'if (dead.length > 0) await deadLetters.write(dead).catch(() => undefined)',
    by: { worlds: { ...STORM, faults: 30, shape: 'transform', poison: true } },
    isInvisible: true,
  },
  {
    name: 'late events are kept after the commit that passes them',
    like: 'https://github.com/spring-attic/spring-cloud-stream-binder-kafka/pull/1048',
    file: 'engine/reduce.ts',
    find: `    if (letters.length > 0) await this.patiently('writing dead letters', () => this.context.deadLetters.write(letters))
    const version = await this.outputs.write(emissions)
    this.outputs.said = version
    await this.ledger.commit({ keys: bytes, timers })
`,
    replace: `    const version = await this.outputs.write(emissions)
    this.outputs.said = version
    await this.ledger.commit({ keys: bytes, timers })
    if (letters.length > 0) await this.patiently('writing dead letters', () => this.context.deadLetters.write(letters))
`,
    by: { worlds: { ...STORM, features: 'closing', lose: false, retain: false } },
  },
  {
    name: 'results that a sink refuses are skipped when they cannot be kept',
    like: kafka(8720),
    file: 'engine/outputs.ts',
    find: `    await this.patiently('writing dead letters', () => this.context.deadLetters.write(letters))`,
    replace: `    await this.context.deadLetters.write(letters).catch(() => undefined)`,
    by: { worlds: { ...STORM, own: true, outages: true } },
    isInvisible: true,
  },
  {
    name: 'where a topic is read directly, dead letters that cannot be written are skipped',
    like: 'https://github.com/knative-extensions/eventing-kafka-broker/pull/597',
    file: 'engine/intake.ts',
    find: `if (dead.length > 0) await this.patiently('writing dead letters', () => this.context.deadLetters.write(dead))`,
    replace: 'if (dead.length > 0) await this.context.deadLetters.write(dead).catch(() => undefined)',
    by: { worlds: { ...STORM, faults: 30, shape: 'direct', poison: true } },
    isInvisible: true,
  },
  {
    name: 'a transform does not wait for its dead letters',
    like: 'https://github.com/yaalalabs/agent-kernel/pull/630',
    file: 'engine/transform.ts',
    find: `if (dead.length > 0) await this.patiently('writing dead letters', () => deadLetters.write(dead))`,
    replace: `if (dead.length > 0)
      void this.patiently('writing dead letters', () => deadLetters.write(dead)).catch(() => undefined)`,
    by: { worlds: { ...STORM, shape: 'transform', poison: true, outages: true } },
  },
  {
    name: 'the group is told what was processed, not what is committed',
    like: kafka(17686),
    file: 'engine/worker.ts',
    find: 'const known = [...runners].map((runner) => runner.position)',
    replace: 'const known = [...runners].map((runner) => runner.done)',
    by: { worlds: STORM },
    isInvisible: true,
  },
  {
    name: 'an idle task never looks whether it still has its state',
    like: 'https://github.com/awslabs/amazon-kinesis-client/issues/136',
    file: 'engine/ledger.ts',
    find: 'if (this.context.clock.monotonic() - this.knownAt < CHECK_EVERY) return',
    replace: 'if (this.knownAt < Number.POSITIVE_INFINITY) return',
    by: { worlds: { ...STORM, rollback: true, lose: false } },
  },
  {
    name: 'more is read for a task however much waits for it',
    like: 'https://github.com/redpanda-data/connect/issues/4657',
    file: 'engine/feed.ts',
    find: '    await this.hasRoom(this.main)\n',
    replace: '',
    by: { worlds: { ...STORM, outages: true } },
  },
  {
    name: 'a task that has just opened counts as caught up',
    like: kafka(8462),
    file: 'engine/intake.ts',
    find: `    this.silent.end()
    this.live = false
`,
    replace: `    this.silent.end()
    this.live = true
`,
    by: { worlds: { ...STORM, shape: 'direct', backlog: true, rollback: false } },
  },
  {
    name: 'the group is told how far the furthest task of a partition is',
    like: kafka(17686),
    file: 'engine/worker.ts',
    find: 'Math.min(low, p)',
    replace: 'Math.max(low === Number.POSITIVE_INFINITY ? p : low, p)',
    by: { worlds: { ...STORM, twin: true, changes: false, lose: false, retain: false } },
    isInvisible: true,
  },
  {
    name: 'where a task begins is not committed before it reads',
    like: 'https://github.com/cerner/common-kafka/issues/10',
    file: 'engine/ledger.ts',
    find: '    if (isNew) await this.commit()\n',
    replace: '',
    by: { worlds: STORM },
  },
  {
    name: "where code of one's own fails at an event, others that are late are not kept",
    like: 'https://github.com/moov-io/achgateway/pull/138',
    file: 'engine/careful.ts',
    find: '    this.computed.letters.push(...told.letters)\n',
    replace: '',
    by: { worlds: { ...STORM, own: true, features: 'closing', lose: false, retain: false } },
    isInvisible: true,
  },
  {
    name: 'of several results that a sink refuses the first is kept',
    like: kafka(8720),
    file: 'engine/outputs.ts',
    find: 'const letters = refused.map((',
    replace: 'const letters = refused.slice(0, 1).map((',
    by: { worlds: { ...STORM, own: true, each: true } },
  },
  {
    name: "where code of one's own fails at an event, results of others are not said",
    like: 'https://github.com/apache/flink/pull/3278',
    file: 'engine/careful.ts',
    find: '    this.computed.emissions.push(...told.emissions)\n',
    replace: '',
    by: { worlds: { ...STORM, own: true, each: true } },
  },
]
