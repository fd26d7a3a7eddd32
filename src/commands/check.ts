import { checkProject, renderProblems } from '../features/check.ts'
import type { Terminal } from './console.ts'

export async function check(
  { directory, json }: { directory: string; json?: boolean },
  { out, environment }: Terminal,
): Promise<number> {
  const { problems, project } = await checkProject(directory, { environment })
  if (json)
    out.write(`${JSON.stringify({ problems, topologies: project?.topologies.map(({ name }) => name) ?? [] })}\n`)
  else if (problems.length > 0) out.write(`${renderProblems(problems)}\n`)
  else
    out.write(
      `${project?.topologies.length ?? 0} topologies are right: ${project?.topologies.map(({ name }) => name).join(', ')}\n`,
    )
  return problems.length > 0 ? 1 : 0
}
