/** A worker as the harness sees it: a process that is told what to do, and that dies. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Armed, type Failpoint, hitLine } from './failpoints.ts'
import type { Command, Report } from './worker.ts'

const ENTRY = fileURLToPath(new URL('./worker.ts', import.meta.url))
/** What is compiled once starts in half the time. */
const COMPILED = join(tmpdir(), 'millrace-faults-compiled')
/** Folder that all they say is kept in, a file a worker. */
const LOGS = process.env.FAULTS_LOGS
const LINES = 400
const PAGE = 4_096
const LOOK_MS = 5

export class WorkerProcess {
  /** The last lines it said. */
  readonly output: string[] = []
  /** Base URL of its API, once it runs. */
  url = ''
  private readonly child: ChildProcess
  private readonly ended: Promise<unknown>
  private readonly reports: Report[] = []

  private constructor(directory: string, environment: Readonly<Record<string, string>>) {
    this.child = fork(ENTRY, [directory], {
      silent: true,
      env: { ...process.env, NODE_NO_WARNINGS: '1', NODE_COMPILE_CACHE: COMPILED, ...environment },
    })
    this.ended = once(this.child, 'exit')
    for (const stream of [this.child.stdout, this.child.stderr])
      if (stream)
        createInterface(stream).on('line', (line) => {
          this.output.push(line)
          if (LOGS) appendFileSync(join(LOGS, `${this.pid}.log`), `${line}\n`)
          if (this.output.length > LINES) this.output.shift()
        })
    this.child.on('message', (report: Report) => void this.reports.push(report))
  }

  /** With all code loaded, and not yet in the group. */
  static async warm(directory: string, environment: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
    const worker = new WorkerProcess(directory, environment)
    await worker.says('warm')
    return worker
  }

  get pid(): number {
    return this.child.pid as number
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Resolves when it has joined. */
  async start(): Promise<void> {
    this.tell({ do: 'start' })
    const { url } = await this.says('running')
    this.url = url
  }

  /** Resolves when the failpoint is in place. */
  async arm(armed: Armed | undefined): Promise<void> {
    this.tell({ do: 'arm', armed })
    await this.says('armed')
  }

  /** Did it come to the failpoint within that time? */
  async hits(point: Failpoint, withinMs: number): Promise<boolean> {
    const line = hitLine(point)
    const deadline = Date.now() + withinMs
    while (!this.output.includes(line)) {
      if (Date.now() > deadline) return false
      await sleep(LOOK_MS)
    }
    this.output.splice(this.output.indexOf(line), 1)
    return true
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.isAlive) this.child.kill('SIGKILL')
    await this.ended
  }

  async gone(): Promise<void> {
    await this.ended
  }

  freeze(): void {
    this.child.kill('SIGSTOP')
  }

  wake(): void {
    this.child.kill('SIGCONT')
  }

  /** Finishes and leaves; throws unless it ends with exit code 0. */
  async stop(): Promise<void> {
    this.tell({ do: 'stop' })
    await this.ended
    const { exitCode, signalCode } = this.child
    if (exitCode !== 0) throw new Error(`a worker ended with ${exitCode ?? signalCode}:\n${this.tail()}`)
  }

  /** Memory that it occupies now, in bytes. */
  rss(): number {
    return Number(readFileSync(`/proc/${this.pid}/statm`, 'utf8').split(' ')[1]) * PAGE
  }

  tail(): string {
    return this.output.slice(-25).join('\n')
  }

  private tell(command: Command): void {
    if (this.isAlive) this.child.send(command)
  }

  private async says<I extends Report['is']>(what: I): Promise<Extract<Report, { is: I }>> {
    for (;;) {
      const at = this.reports.findIndex(({ is }) => is === what || is === 'failed')
      if (at >= 0) {
        const [report] = this.reports.splice(at, 1) as [Report]
        if (report.is === 'failed') throw new Error(`a worker failed: ${report.reason}`)
        return report as Extract<Report, { is: I }>
      }
      if (!this.isAlive) throw new Error(`a worker ended before it was ${what}:\n${this.tail()}`)
      await sleep(LOOK_MS)
    }
  }
}
