/** What a task tells its sinks, call by call. */
import { describe, expect, it } from 'vitest'
import type { Emission, EmissionBatch, FeatureFlow, Sink, SinkResult, Version } from '../../src/core/model.ts'
import type { DeadLetter } from '../../src/engine/dead-letters.ts'
import { Outputs } from '../../src/engine/outputs.ts'
import type { Patience, TaskContext } from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'

const EPOCH = 7
const emission = (key: string, count: number): Emission => ({
  key,
  at: 100 + count,
  values: [count],
  cause: `p${count}`,
})
const shown = ({ version, emissions, ...more }: EmissionBatch) => ({
  ...more,
  version: `${version.generation}.${version.epoch}.${version.step}`,
  keys: emissions.map(({ key }) => key),
})
const version = (generation: number, epoch: number, step: number): Version => ({ generation, epoch, step })

/** A sink that says whatever `mark` and `answers` hold; what it was called with is in `calls`. */
function sinkOf(mark?: () => Version | undefined) {
  const calls: unknown[] = []
  const answers: SinkResult[] = []
  const sink: Sink = {
    write: async (batch) => {
      calls.push(shown(batch))
      return answers.shift() ?? { safe: batch.upto }
    },
    ...(mark ? { mark: async () => mark() } : {}),
    caughtUp: async (task, { generation, epoch, step }, tasks) => {
      calls.push(['caught up', task, `${generation}.${epoch}.${step}`, tasks])
    },
    close: async () => undefined,
  }
  return { sink, calls, answers }
}

function start(sinks: readonly Sink[]) {
  const clock = new VirtualClock()
  const letters: DeadLetter[] = []
  const warned: unknown[] = []
  const waited: string[] = []
  const flow = { name: 'load', generation: 'g1', sinks } as unknown as FeatureFlow
  const outputs = new Outputs(
    {
      id: 'reduce/load@g1/3',
      flow,
      generation: 5,
      topic: 'load.shuffle',
      partition: 3,
      position: 40,
      done: 42,
      everything: async function* () {
        yield [emission('a', 1)]
        yield [emission('b', 2)]
      },
    },
    {
      clock,
      log: { warn: (...said: unknown[]) => warned.push(said) },
      rank: async () => 9,
      deadLetters: { write: async (given: readonly DeadLetter[]) => void letters.push(...given) },
    } as unknown as TaskContext,
  )
  const patiently: Patience = (what, call) => {
    waited.push(what)
    return call()
  }
  outputs.open(patiently, EPOCH)
  return { outputs, clock, letters, warned, waited }
}

const TASK = 'reduce/load@g1/3'
const everything = (from: string) => [
  { task: TASK, version: from, upto: 42, said: undefined, partial: true, keys: ['a'] },
  { task: TASK, version: from, upto: 42, said: undefined, partial: true, keys: ['b'] },
  { task: TASK, version: from, upto: 42, said: undefined, keys: [] },
]

describe('results', () => {
  it('are told to every sink, by versions that grow with each step and begin anew with each claim', async () => {
    const [one, two] = [sinkOf(), sinkOf()]
    const { outputs } = start([one.sink, two.sink])
    outputs.said = await outputs.write([emission('a', 1)])
    expect(await outputs.write([emission('b', 2)])).toEqual(version(5, EPOCH, 2))
    const told = [
      { task: TASK, version: '5.7.1', upto: 42, said: undefined, keys: ['a'] },
      { task: TASK, version: '5.7.2', upto: 42, said: version(5, EPOCH, 1), keys: ['b'] },
    ]
    expect([one.calls, two.calls]).toEqual([told, told])
    outputs.open((_, call) => call(), 8)
    expect([outputs.said, await outputs.write([])]).toEqual([undefined, version(5, 8, 1)])
  })

  it('have the newer generation of what was said, where the state lost its number', async () => {
    const { outputs } = start([])
    outputs.said = version(6, 1, 1)
    expect(await outputs.write([])).toEqual(version(6, EPOCH, 1))
    outputs.said = version(4, 1, 1)
    expect(await outputs.write([])).toEqual(version(5, EPOCH, 2))
  })

  it('that a sink refuses are letters, by key and cause, and not told it again', async () => {
    const { sink, answers, calls } = sinkOf()
    answers.push({ safe: 42, refused: [{ index: 1, code: 'too-long', reason: 'a text of 300' }] })
    const { outputs, letters } = start([sink])
    await outputs.write([emission('a', 1), emission('b', 2)])
    expect(calls).toHaveLength(1)
    expect(
      letters.map(({ record, error, ...rest }) => ({
        ...rest,
        ...record,
        value: JSON.parse(String(record.value)),
        error: String(error),
      })),
    ).toEqual([
      {
        topology: 'load',
        source: { topic: 'load.shuffle', partition: 3, incarnation: 'g1' },
        name: 'b@p2',
        position: 42,
        timestamp: 102,
        key: null,
        headers: {},
        value: emission('b', 2),
        error: expect.stringContaining('too-long: a text of 300'),
      },
    ])
  })
})

describe('a sink that went back in time', () => {
  it('is told everything in parts, and then the results, by newer versions; the others hear those again', async () => {
    const [one, two] = [sinkOf(), sinkOf()]
    two.answers.push({ safe: 0, behind: true })
    const { outputs, warned } = start([one.sink, two.sink])
    outputs.toldLive = true
    expect(await outputs.write([emission('c', 3)])).toEqual(version(5, EPOCH, 3))
    const told = (step: number) => ({ task: TASK, version: `5.7.${step}`, upto: 42, said: undefined, keys: ['c'] })
    expect(one.calls).toEqual([told(1), told(3)])
    expect(two.calls).toEqual([told(1), ...everything('5.7.2'), told(3)])
    expect(outputs.toldLive).toBe(false)
    expect(warned).toEqual([
      [
        expect.objectContaining({ task: TASK, partition: 3 }),
        'a sink has gone back in time: every value is said again',
      ],
    ])
  })

  it.each([
    ['has no mark of the task', undefined, true],
    ['has an older mark', version(5, 6, 3), true],
    ['has the mark that the state has', version(5, 6, 4), false],
    ['has a newer mark, of what was not committed', version(5, 6, 5), false],
  ])('is known by its mark: one that %s', async (_, mark, isTold) => {
    const [marking, silent] = [sinkOf(() => mark), sinkOf()]
    const { outputs } = start([marking.sink, silent.sink])
    outputs.said = version(5, 6, 4)
    outputs.toldLive = true
    await outputs.heal()
    expect(marking.calls).toEqual(isTold ? everything('5.7.1') : [])
    expect(silent.calls).toEqual([])
    expect(outputs.toldLive).toBe(false)
  })

  it.each([
    ['one whose commits the state has', 6, 6, false],
    ['one that the state does not know', 6, 5, true],
    ['one of which an older program told the state nothing', 6, Number.NaN, false],
    ['one that came since', 8, 5, false],
  ])(
    'is told everything, as all are, where it heard last of an owner of another state: not of %s',
    async (_, epoch, known, isTold) => {
      const [marking, silent] = [sinkOf(() => version(5, epoch, 9)), sinkOf()]
      const { outputs } = start([marking.sink, silent.sink])
      outputs.said = version(5, 5, 4)
      outputs.known = known
      await outputs.heal()
      expect(marking.calls).toEqual(isTold ? everything('5.7.1') : [])
      expect(silent.calls).toEqual(isTold ? everything('5.7.2') : [])
      expect(outputs.known).toBe(EPOCH)
    },
  )

  it('may refuse some of it, which is kept as ever', async () => {
    const { sink, answers } = sinkOf(() => undefined)
    answers.push({ safe: 0, refused: [{ index: 0, code: 'too-long', reason: 'a text' }] })
    const { outputs, letters } = start([sink])
    outputs.said = version(5, 6, 4)
    await outputs.heal()
    expect(letters).toMatchObject([{ name: 'a@p1', error: { code: 'sink-refused', message: 'too-long: a text' } }])
  })

  it('is not looked for where nothing was ever said', async () => {
    const { sink, calls } = sinkOf(() => undefined)
    const { outputs, waited } = start([sink])
    await outputs.heal()
    expect([calls, waited]).toEqual([[], []])
  })

  it('is looked for every 30 s', async () => {
    const { outputs, clock, waited } = start([sinkOf(() => version(9, 9, 9)).sink])
    outputs.said = version(5, 6, 4)
    await outputs.tick()
    expect(waited).toHaveLength(1)
    for (const passed of [29_999, 1, 29_999, 1]) {
      clock.move(passed)
      await outputs.tick()
    }
    expect(waited).toHaveLength(3)
  })
})

it('a sink that knows a task whose state is new tells of the loss; one that does not, or cannot know, does not', async () => {
  const asked = (...marks: readonly (Version | undefined)[]) =>
    start([sinkOf().sink, ...marks.map((mark) => sinkOf(() => mark).sink)]).outputs.refuseIfSaid()
  await expect(asked(undefined, undefined)).resolves.toBeUndefined()
  await expect(asked(undefined, version(1, 1, 1))).rejects.toMatchObject({
    code: 'position-lost',
    message: `a sink has results of ${TASK}, the state has none`,
  })
})

it('all sinks hear that the task has caught up, with the rank of the generation, once', async () => {
  const [one, two] = [sinkOf(), sinkOf()]
  const { outputs } = start([one.sink, { ...two.sink, caughtUp: undefined } as unknown as Sink])
  await outputs.tellLive([TASK, 'reduce/load@g1/4'])
  expect([outputs.toldLive, one.calls, two.calls]).toEqual([
    true,
    [['caught up', TASK, '9.7.1', [TASK, 'reduce/load@g1/4']]],
    [],
  ])
})

it('sinks that hold something back write it before the task ends', async () => {
  const flushed: string[] = []
  const flush = async (task: string) => {
    flushed.push(task)
    return { safe: 42 }
  }
  await start([{ ...sinkOf().sink, flush }, sinkOf().sink]).outputs.flush()
  expect(flushed).toEqual([TASK])
})
