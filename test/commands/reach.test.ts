import { expect, it } from 'vitest'
import { placeOf, requireTopics } from '../../src/commands/reach.ts'
import { checkProject, type Project } from '../../src/project/check.ts'
import type { Services } from '../../src/runtime/services.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'

it('names all topics that are missing, where, and what to do', async () => {
  const { project } = await checkProject('.')
  const transport = new MemoryTransport()
  const services = { transport } as Pick<Services, 'transport'>
  await expect(requireTopics(project as Project, services)).rejects.toMatchObject({
    code: 'topic-missing',
    message: 'the topics acceptances, orders, stores do not exist in transport (embedded)',
  })
  for (const name of ['orders', 'acceptances', 'stores']) {
    await transport.create({ name, partitions: 1, retentionMs: -1 })
  }
  await requireTopics(project as Project, services)
})

it('shows addresses without users, passwords and queries', () => {
  const place = (settings: object) => placeOf('state', { kind: 'redis', settings })
  expect(place({ url: 'rediss://me:secret@cache:6380/2?password=secret' })).toBe(
    'state (redis at rediss://cache:6380/2)',
  )
  expect(place({ brokers: ['a:1', 'b:2'] })).toBe('state (redis at a:1, b:2)')
  expect(place({ url: 'secret' })).not.toContain('secret')
})
