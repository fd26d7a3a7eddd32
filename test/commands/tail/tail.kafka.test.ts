/** `tail` and `topics` read a log of Kafka themselves: nothing of Millrace has to run. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Registry } from '../../../src/core/model.ts'
import { SILENT } from '../../../src/core/part.ts'
import { checkProject, type Project } from '../../../src/project/check.ts'
import { openPart } from '../../../src/runtime/services.ts'
import { sourceEncoders } from '../../../src/runtime/topics.ts'
import { describeWith, uniqueName } from '../../services/index.ts'
import { openKafka } from '../../transports/kafka/open.ts'
import { call, start } from '../cli.ts'

const SCHEMA = {
  type: 'record',
  name: 'Thing',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'size', type: 'int' },
  ],
}

describeWith(['kafka'], 'on a broker', ({ kafka: { brokers } }) => {
  const topic = uniqueName('things')
  const folder = mkdtempSync(join(tmpdir(), 'millrace-tail-'))
  let write: (id: string, size: number, timestamp: number, partition: number) => Promise<void>
  let close: () => Promise<void>

  beforeAll(async () => {
    mkdirSync(join(folder, 'schemas'))
    mkdirSync(join(folder, 'topologies'))
    writeFileSync(join(folder, `schemas/${topic}.avsc`), JSON.stringify(SCHEMA))
    writeFileSync(join(folder, 'millrace.yaml'), `transport: { kind: kafka, brokers: ${JSON.stringify(brokers)} }\n`)
    writeFileSync(
      join(folder, 'topologies/sizes.yaml'),
      `topology: sizes\nkind: features\nfrom: ${topic}\nentity: thing\nby: id\nfeatures: { things: { lifetime: true, as: count } }\n`,
    )
    const { project } = (await checkProject(folder)) as { project: Project }
    const transport = await openKafka(brokers)
    const registry = await openPart<Registry>('registries', project.config.registry, project, SILENT)
    const encoder = (await sourceEncoders(project, registry)).get(topic)
    await transport.create({ name: topic, partitions: 2, retentionMs: -1 })
    write = (id, size, timestamp, partition) =>
      transport.write([{ topic, partition, key: id, timestamp, value: encoder?.encode({ id, size }) ?? null }])
    for (let n = 0; n < 6; n++) await write(`t${n}`, n, Date.UTC(2026, 0, 1 + n), n % 2)
    close = async () => {
      await registry.close()
      await transport.close()
    }
  })
  afterAll(async () => {
    await close()
    rmSync(folder, { recursive: true })
  })

  const ids = (out: string) => [...out.matchAll(/"value":\{"id":"(\w+)"/g)].map(([, id]) => id)

  test('tail gives records of all partitions, the oldest first, as asked for', async () => {
    expect(ids((await call('tail', topic, '-d', folder)).out)).toEqual(['t0', 't1', 't2', 't3', 't4', 't5'])
    const later = await call(
      'tail',
      topic,
      '-d',
      folder,
      '--from',
      '2026-01-03T00:00:00Z',
      '--where',
      'event.size != 4',
    )
    expect(ids(later.out)).toEqual(['t2', 't3', 't5'])
    const missing = await call('tail', `${topic}s`, '-d', folder)
    expect(missing).toMatchObject({ code: 1, error: expect.stringContaining(`there is no topic '${topic}s'`) })
  })

  test('tail follows the log until it is stopped', async () => {
    const following = start('tail', topic, '-d', folder, '--follow', '--from', 'earliest')
    await following.says(/"t5"/)
    await write('t6', 6, Date.UTC(2026, 0, 9), 0)
    await following.says(/"t6"/)
    following.signal('SIGINT')
    expect(await following.exit).toMatchObject({ code: 0, error: '' })
  })

  test('topics says what they hold', async () => {
    const { code, out } = await call('topics', '-d', folder, '--json')
    expect(code).toBe(0)
    const { topics } = JSON.parse(out) as { topics: readonly { name: string; partitions: readonly object[] | null }[] }
    expect(topics.find(({ name }) => name === topic)).toMatchObject({
      partitions: [{ start: 0 }, { start: 0, end: 3 }],
      subject: `${topic}-value`,
      reads: ['sizes'],
    })
  })
})
