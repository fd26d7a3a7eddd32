import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Feed } from '../../../src/commands/dev/feed.ts'
import { Notes } from '../../../src/commands/dev/notes.ts'
import type { Draft } from '../../../src/core/model.ts'
import { checkProject, type Project } from '../../../src/project/check.ts'

const project = (await checkProject('.')).project as Project

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-feed-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function feedOf(
  lines: readonly string[],
  caughtUp: (written: number) => Promise<boolean> = async () => true,
  topics: readonly string[] = ['orders'],
) {
  const path = join(folder, 'f.ndjson')
  writeFileSync(path, lines.join('\n'))
  const notes = new Notes()
  const drafts: Draft[] = []
  const feed = new Feed({
    project,
    transport: {
      write: async (written) => {
        drafts.push(...written)
      },
    },
    encoders: new Map(topics.map((topic) => [topic, { encode: (event) => Buffer.from(JSON.stringify(event)) }])),
    notes,
    caughtUp: () => caughtUp(drafts.length),
    signal: new AbortController().signal,
  })
  return { notes, path, drafts, replayed: feed.replay(path) }
}

const good = (count: number) => Array.from({ length: count }, (_, i) => JSON.stringify({ occurredAt: i }))
const bad = (count: number) => Array.from({ length: count }, () => 'nonsense')

it.each([
  [0, ''],
  [1, '; 1 line is bad (above)'],
  [3, '; 3 lines are bad (one of each kind is above)'],
  [30, '; 30 lines are bad (one of each kind is above)'],
])('with %d bad lines the summary stands last, below the faults that are shown', async (count, said) => {
  const { notes, path, replayed } = feedOf([...bad(count), ...good(26)])
  await replayed
  expect(notes.progress).toBeUndefined()
  expect(notes.newest).toEqual([
    ...Array.from({ length: Math.min(1, count) }, (_, i) => expect.stringContaining(`${path}:${i + 1}: not JSON`)),
    `replayed 26 events of ${path}${said}`,
  ])
})

it('tells once of event times that look like seconds, with their field', async () => {
  const seconds = Array.from({ length: 3 }, (_, i) => JSON.stringify({ occurredAt: 1_772_366_400 + i }))
  const { notes, replayed } = feedOf([...good(1), ...seconds])
  await replayed
  expect(notes.newest).toEqual([
    'occurredAt of orders looks like seconds: as milliseconds, which it is taken for, it is 1970-01-21T12:19:26.400Z',
    expect.stringMatching(/^replayed 4 events/),
  ])
})

it('of one event is told as one', async () => {
  const { notes, path, replayed } = feedOf(good(1))
  await replayed
  expect(notes.newest).toEqual([`replayed 1 event of ${path}`])
})

it('says that the file is replayed once the features have caught up', async () => {
  let looks = 0
  let notesBefore: readonly string[] = ['none seen']
  const { notes, replayed } = feedOf(good(2), async () => {
    notesBefore = notes.newest
    return ++looks === 3
  })
  await replayed
  expect(looks).toBe(3)
  expect(notesBefore).toEqual([])
  expect(notes.newest).toEqual([expect.stringMatching(/^replayed 2 events/)])
})

it('waits after lines of a table until they are found by what comes next', async () => {
  const order = JSON.stringify({ topic: 'orders', event: { occurredAt: 1 } })
  const store = JSON.stringify({ topic: 'stores', key: 's', event: {} })
  const looks: number[] = []
  const look = async (written: number) => looks.push(written) !== 1
  const { replayed } = feedOf([order, store, store, order, order, store], look, ['orders', 'stores'])
  await replayed
  expect(looks).toEqual([3, 3, 6])
})

it('fails when every line is bad, and shows the first', async () => {
  const { replayed, path } = feedOf(bad(30))
  await expect(replayed).rejects.toThrow(
    new RegExp(`^nothing was replayed of ${path}: 30 lines are bad \\(one of each kind is below\\)\n.*:1: .*$`),
  )
})

it('says that nothing was replayed of an empty file', async () => {
  const { notes, path, replayed } = feedOf([])
  await replayed
  expect(notes.newest).toEqual([`nothing was replayed: ${path} has no events`])
})

it('stamps records with event times that are written as ISO 8601', async () => {
  const { drafts, replayed } = feedOf(['{"occurredAt":"2026-03-01T13:00:00Z"}'])
  await replayed
  const at = Date.UTC(2026, 2, 1, 13)
  expect(drafts).toMatchObject([{ timestamp: at, value: Buffer.from(JSON.stringify({ occurredAt: at })) }])
})
