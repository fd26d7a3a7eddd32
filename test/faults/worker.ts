/**
 * A worker process with failpoints: the runtime of `millrace run` on the project named by the first argument. It loads
 * all code, says `warm`, and joins when it is told to, so that a scenario does not wait for Node to start.
 */
import type { Log } from '../../src/core/part.ts'
import { checkProject, type Project } from '../../src/project/check.ts'
import { createRuntime, type Runtime } from '../../src/runtime/index.ts'
import { openServices, type Services } from '../../src/runtime/services.ts'
import { type Armed, Trap, withFailpoints } from './failpoints.ts'

export type Command =
  | { readonly do: 'start' }
  | { readonly do: 'arm'; readonly armed: Armed | undefined }
  | { readonly do: 'stop' }
export type Report =
  | { readonly is: 'warm' }
  | { readonly is: 'running'; readonly url: string }
  | { readonly is: 'armed' }
  | { readonly is: 'failed'; readonly reason: string }

const GRACE_MS = 3_000
const directory = process.argv[2] as string
const trap = new Trap()
let services: Services | undefined
let runtime: Runtime | undefined

const report = (what: Report) => process.send?.(what)
const line = (level: string) => (fields: object, message: string) =>
  console.log(JSON.stringify({ level, time: new Date().toISOString(), ...fields, message }))
const debug = process.env.FAULTS_LOGS ? line('debug') : () => undefined
const log: Log = { debug, info: line('info'), warn: line('warn'), error: line('error') }

async function loaded(): Promise<Project> {
  const { project, problems } = await checkProject(directory)
  if (!project) throw new Error(JSON.stringify(problems))
  return project
}

async function start(): Promise<void> {
  services = withFailpoints(await openServices(await loaded(), log), trap)
  runtime = await createRuntime(await loaded(), services, log)
  report({ is: 'running', url: await runtime.start() })
}

async function stop(): Promise<void> {
  await runtime?.stop(GRACE_MS)
  await services?.close()
  process.disconnect()
}

async function obey(command: Command): Promise<void> {
  if (command.do === 'arm') {
    trap.arm(command.armed)
    report({ is: 'armed' })
  } else await (command.do === 'start' ? start() : stop())
}

process.on('message', (command: Command) => {
  obey(command).catch((error: unknown) => {
    report({ is: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    process.exitCode = 1
    process.disconnect()
  })
})
// whoever started it is gone
process.on('disconnect', () => setTimeout(() => process.exit(), GRACE_MS * 3).unref())

await loaded()
report({ is: 'warm' })
