import { access, constants, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { topicNames } from '../../api/inventory.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Project } from '../../project/check.ts'
import { featuresOf } from '../../project/kinds.ts'
import { createRuntime } from '../../runtime/index.ts'
import { openServices, type Services } from '../../runtime/services.ts'
import { createTopics, sourceEncoders } from '../../runtime/topics.ts'
import { explain, stopped, type Terminal } from '../console.ts'
import { loadProject } from '../project.ts'
import { reloading } from '../reload.ts'
import { tailLines } from '../tail/lines.ts'
import { Feed } from './feed.ts'
import { Notes } from './notes.ts'
import { onThisMachine, replacedParts } from './parts.ts'
import { Samples, WrittenIds } from './samples.ts'
import { show } from './view.ts'

export interface DevOptions {
  readonly directory: string
  readonly rate: number
  readonly speed: number
  readonly seed: number
  readonly replay?: string
  /** Takes up changed files, but in a replay. */
  readonly watch: boolean
  readonly port?: number
}

const GRACE_MS = 2_000
/** Retention goes by record timestamps, and those of a replay are as old as its events. */
const FOR_EVER = -1

/** Everything on this machine. A replay has a folder of its own, so that its old events meet nobody's clock but theirs. */
export async function dev(options: DevOptions, terminal: Terminal): Promise<number> {
  try {
    const found = await loadProject(options.directory, terminal)
    if (!found) return 1
    if (options.replay !== undefined) await requireReadable(options.replay)
    const folder = options.replay === undefined ? undefined : await replayFolder(found.directory)
    try {
      await start(found, folder, options, terminal)
    } finally {
      if (folder !== undefined) await rm(join(found.directory, folder), { recursive: true, force: true })
    }
    return 0
  } catch (error) {
    terminal.error(`millrace dev: ${explain(error)}`)
    return 1
  }
}

async function requireReadable(path: string): Promise<void> {
  await access(path, constants.R_OK).catch(({ code }: NodeJS.ErrnoException) => {
    throw new MillraceError('replay-unreadable', `cannot read ${path}: ${code}`)
  })
}

/** A new one, named by this process; those that killed processes left behind go. */
async function replayFolder(directory: string): Promise<string> {
  const parent = join(directory, '.millrace')
  await mkdir(parent, { recursive: true })
  for (const name of await readdir(parent)) {
    const [, pid] = /^replay-(\d+)-/.exec(name) ?? []
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(parent, name), { recursive: true, force: true })
  }
  return relative(directory, await mkdtemp(join(parent, `replay-${process.pid}-`)))
}

/** Our own pid is that of an earlier process of a container which was started again. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function start(
  found: Project,
  folder: string | undefined,
  options: DevOptions,
  terminal: Terminal,
): Promise<void> {
  const notes = new Notes()
  const replaced = replacedParts(found.config)
  if (replaced.length > 0)
    notes.add(`all is on this machine: ${replaced.join(', ')} of millrace.yaml are for run alone`)
  const config = await onThisMachine(found.config, folder)
  const { port = config.http.port } = options
  const project = { ...found, config: { ...config, http: { ...config.http, port } } }
  const services = await openServices(project, notes.log)
  try {
    await serve(project, found, services, options, terminal, notes)
  } finally {
    await services.close()
  }
}

async function serve(
  project: Project,
  found: Project,
  services: Services,
  options: DevOptions,
  terminal: Terminal,
  notes: Notes,
): Promise<void> {
  const { transport, registry, store } = services
  const failed = new AbortController()
  const signal = AbortSignal.any([terminal.stopSignal, failed.signal])
  await createTopics(project, transport, options.replay === undefined ? undefined : FOR_EVER)
  const encoders = new Map(await sourceEncoders(project, registry))
  const written = new WrittenIds()
  const watched = { ...services, store: written.watching(store) }
  const names = (): readonly string[] => topicNames(runtime.topologies, [project.config.engine.deadLetters.topic])
  const runtime = await createRuntime(project, watched, notes.log, { tail: tailLines({ transport, registry, names }) })
  /** The API serves a topology from when all its tasks have reached the end once. */
  const caughtUp = async () => {
    const served = await Promise.all(featuresOf(runtime.topologies).map(({ name }) => store.alias(name)))
    return !served.includes(undefined) && (await runtime.worker.caughtUp())
  }
  const feed = new Feed({ project, transport, encoders, notes, caughtUp, signal })
  const samples = new Samples(() => featuresOf(runtime.topologies), written)
  try {
    const baseUrl = await runtime.start()
    const feeding = options.replay === undefined ? feed.city(options) : feed.replay(options.replay)
    const stampedByWallClock = options.replay === undefined && options.speed === 1
    const events = () => feed.events
    const reloads = reloading({
      found,
      runtime,
      prepare: async (next) => {
        const adjusted = { ...next, config: { ...project.config, topics: next.config.topics } }
        await createTopics(adjusted, transport)
        for (const [topic, encoder] of await sourceEncoders(adjusted, registry)) encoders.set(topic, encoder)
      },
      watch: options.watch && options.replay === undefined,
      terminal,
      log: { ...notes.log, info: (_, message) => notes.add(message) },
      signal,
    })
    const shown = show({ runtime, store, samples, baseUrl, notes, events, stampedByWallClock, terminal, signal })
    try {
      await Promise.all([feeding.then(() => stopped(signal)), shown])
    } finally {
      failed.abort()
      await Promise.allSettled([feeding, shown, reloads])
    }
  } finally {
    await runtime.stop(GRACE_MS)
  }
}
