import { resolve } from 'node:path'
import { checkProject, type Problem, type Project, renderProblems } from '../project/check.ts'
import type { Terminal } from './console.ts'

export async function check(
  { directory, json }: { directory: string; json?: boolean },
  { out, environment }: Terminal,
): Promise<number> {
  const { problems: found, project } = await checkProject(directory, { environment })
  const topologies = project?.topologies.map(({ name }) => name) ?? []
  const problems = project && topologies.length === 0 ? [nothingToCheck(project)] : found
  if (json) out.write(`${JSON.stringify({ problems, topologies })}\n`)
  else if (problems.length > 0) out.write(`${renderProblems(problems)}\n`)
  else
    out.write(
      `${topologies.length === 1 ? '1 topology is' : `${topologies.length} topologies are`} right: ${topologies.join(', ')}\n`,
    )
  return problems.length > 0 ? 1 : 0
}

/** A fault of the check alone: to what runs, no topologies are what is left when the last was removed. */
function nothingToCheck({ directory, config }: Project): Problem {
  return {
    file: 'millrace.yaml',
    line: 1,
    column: 1,
    code: 'file-unreadable',
    message: `there is no topology in ${resolve(directory, config.topologies)}`,
    expected: `a file ${config.topologies}/<name>.yaml; \`millrace init\` writes a first one`,
  }
}
