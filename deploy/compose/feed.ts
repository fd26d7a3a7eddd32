/**
 * Stands for the services that produce events: makes the topics, registers their schemas, and writes what happens in
 * the city of `npm start`, 50 events a second, until SIGTERM. In the folder that it is given it keeps `.millrace/city.json`,
 * by which it goes on after a restart; that file is written anew at least once a second while all is well.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { Feed } from '../../src/commands/dev/feed.ts'
import { Notes } from '../../src/commands/dev/notes.ts'
import { checkProject, renderProblems } from '../../src/project/check.ts'
import { openServices } from '../../src/runtime/services.ts'
import { createTopics, sourceEncoders } from '../../src/runtime/topics.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('say in which folder the place is remembered: feed.ts /tmp')

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

const { project, problems } = await checkProject(import.meta.dirname, { environment: process.env })
if (!project) throw new Error(renderProblems(problems))

const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime })
const { transport, registry, close } = await openServices(project, log)
try {
  await createTopics(project, transport)
  const encoders = await sourceEncoders(project, registry)
  await mkdir(join(folder, '.millrace'), { recursive: true })
  const feed = new Feed({
    project: { ...project, directory: folder },
    transport,
    encoders,
    notes: new Notes(),
    caughtUp: async () => true,
    signal: stop.signal,
  })
  log.info({ topics: [...encoders.keys()] }, 'feeding')
  await feed.city({ rate: 50, speed: 1, seed: 1 })
} finally {
  await close()
}
