/** Workers of an earlier build and of this one take turns on one deployment: upgrade, rollback, upgrade again. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startWorker } from '../../../bench/w1.ts'
import { unready } from '../../exactness/probe.ts'
import { Missing } from '../../services/recipe.ts'
import type { Scenario } from '../scenario.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** The earlier build: so many commits before this one, or what `FAULTS_FROM` names. */
const FROM = process.env.FAULTS_FROM ?? 'HEAD~15'
const REFUSAL = /state-unreadable|definition-older/

const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: ROOT, stdio: 'pipe' }).toString().trim()

/** The files of a commit beside this build, with its dependencies. */
async function buildOf(commit: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-faults-build-'))
  execFileSync('sh', ['-c', `git archive "$0" | tar -x -C "$1"`, commit, folder], { cwd: ROOT })
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

async function copied(directory: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'millrace-faults-'))
  await cp(directory, copy, { recursive: true, preserveTimestamps: true })
  return copy
}

async function allowAll(directory: string): Promise<void> {
  const file = join(directory, 'millrace.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replace('http:\n', 'http:\n  auth: none\n'))
}

const scenario: Scenario = {
  summary: 'upgrade and rollback between two builds, with the state kept',
  async run({ lab: create, onEnd, say }) {
    let commit: string
    try {
      commit = git('rev-parse', '--short', FROM)
    } catch (error) {
      throw new Missing(`there is no commit ${FROM} here`, { cause: error })
    }
    const earlier = await buildOf(commit)
    onEnd(() => rm(earlier, { recursive: true, force: true }))
    const mains = { earlier: join(earlier, 'src/main.ts'), this: join(ROOT, 'src/main.ts') }
    const lab = await create()
    // the files of a topology are the same to both: the time of their last change says which definition is newer
    const directories = { earlier: await copied(lab.directory), this: await copied(lab.directory) }
    for (const directory of Object.values(directories)) onEnd(() => rm(directory, { recursive: true, force: true }))
    // builds before there was `http.auth` do not know it, later ones need it
    await allowAll(directories.this)
    if (existsSync(join(earlier, 'src/core/http.ts'))) await allowAll(directories.earlier)
    lab.load.start()
    let refused = ''
    for (const [turn, build, isKilled] of [
      ['before', 'earlier', false],
      ['upgrade', 'this', true],
      ['rollback', 'earlier', false],
      ['upgrade again', 'this', false],
    ] as const) {
      const worker = await startWorker(directories[build], { main: mains[build] })
      onEnd(() => worker.kill())
      const counted = lab.untilCounted().catch(async (error: unknown) => {
        const said = await unready(worker)
        if (turn !== 'rollback' || !REFUSAL.test(said)) throw error
        refused = said
      })
      await counted
      say(`${turn}: ${refused && turn === 'rollback' ? `refused: ${refused}` : 'everything counts'}`)
      if (isKilled) await worker.kill()
      else await worker.stop()
    }
    const last = await startWorker(directories.this)
    onEnd(() => last.kill())
    await lab.expectExact()
    const rollback = refused ? `refused clearly (${refused.split(':')[0]})` : 'goes on'
    return `${commit} and this build in turns; rollback ${rollback}; ${lab.counted()}`
  },
}
export default scenario
