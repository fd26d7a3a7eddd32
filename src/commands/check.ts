import { checkProject, renderProblems } from '../project/check.ts'
import type { Terminal } from './console.ts'

export async function check(
  { directory, json }: { directory: string; json?: boolean },
  { out, environment }: Terminal,
): Promise<number> {
  const { problems, project } = await checkProject(directory, { environment })
  const topologies = project?.topologies.map(({ name }) => name) ?? []
  if (json) out.write(`${JSON.stringify({ problems, topologies })}\n`)
  else if (problems.length > 0) out.write(`${renderProblems(problems)}\n`)
  else
    out.write(
      `${topologies.length === 1 ? '1 topology is' : `${topologies.length} topologies are`} right: ${topologies.join(', ')}\n`,
    )
  return problems.length > 0 ? 1 : 0
}
