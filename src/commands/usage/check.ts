import { directory, examples, json, type Usage } from './options.ts'

export const check: Usage = (program, { terminal, exit }) => {
  program
    .command('check')
    .description('Check millrace.yaml and all topologies; needs no broker.')
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      `${examples('millrace check', 'millrace check --directory city --json | jq .problems')}

Every fault is file:line:column, what was found, what was expected. Exit codes: 0 right, 1 faults.`,
    )
    .action(async (options) => exit(await (await import('../check.ts')).check(options, terminal)))
}
