/**
 * Stands for the services that produce events: makes the topics, registers their schemas, and writes what happens in
 * the city of `npm start`, 50 events a second, until SIGTERM. The argument is the file it remembers its place in, which is
 * touched at least once a second while all is well.
 */
import { pino } from 'pino'
import { runSimulator } from '../../src/dev/simulator.ts'
import { checkProject, renderProblems } from '../../src/project/check.ts'
import { createTopics, openServices, sourceEncoders } from '../../src/runtime.ts'

const [memory] = process.argv.slice(2)
if (memory === undefined) throw new Error('say in which file the place is remembered: feed.ts /tmp/city.json')

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

const { project, problems } = await checkProject(import.meta.dirname, { environment: process.env })
if (!project) throw new Error(renderProblems(problems))

const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime })
const services = await openServices(project, log)
try {
  await createTopics(project, services.transport)
  const encoders = await sourceEncoders(project, services.registry)
  log.info({ topics: [...encoders.keys()] }, 'feeding')
  await runSimulator({
    seed: 1,
    rate: 50,
    speed: 1,
    now: Date.now,
    memory,
    write: (events) =>
      services.transport.write(
        events.flatMap(({ topic, key, event, timestamp }) => {
          const value = encoders.get(topic)?.encode(event)
          return value ? [{ topic, key, value, timestamp }] : []
        }),
      ),
    signal: stop.signal,
  })
} finally {
  await services.close()
}
