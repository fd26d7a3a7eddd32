import { expect, it } from 'vitest'
import { Notes } from '../../../src/commands/dev/notes.ts'
import { RUNS_AGAIN } from '../../../src/engine/task.ts'

const down = (notes: Notes, task: string) => notes.log.warn({ task, reason: 'down' }, 'reading failed; trying again')

it('what tasks warned of goes once all of them run again', () => {
  const notes = new Notes()
  for (const task of ['a', 'b', 'a']) down(notes, task)
  notes.log.info({ task: 'a' }, RUNS_AGAIN)
  expect(notes.newest).toEqual(['reading failed; trying again: down'])
  notes.log.info({ task: 'b' }, RUNS_AGAIN)
  expect(notes.newest).toEqual([])
})

it('what is no passing trouble of a task stays', () => {
  const notes = new Notes()
  notes.add('replayed 2 events')
  notes.log.error({ task: 'a' }, 'task stopped')
  notes.log.warn({}, 'a table could not be read')
  notes.log.info({ task: 'a' }, RUNS_AGAIN)
  notes.log.info({ task: 'a' }, 'opened')
  expect(notes.newest).toEqual(['replayed 2 events', 'task stopped', 'a table could not be read'])
})
