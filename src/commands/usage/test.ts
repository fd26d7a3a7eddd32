import { directory, examples, json, type Usage } from './options.ts'

export const test: Usage = (program, { terminal, exit }) => {
  program
    .command('test')
    .description('Run the test cases of the topologies; needs no broker and no time.')
    .addOption(directory())
    .option('--filter <text>', 'only cases with this in their name, file or topology')
    .addOption(json())
    .option('--watch', 'run them again whenever a file of the project changes, until Ctrl-C')
    .addHelpText(
      'after',
      `${examples('millrace test', 'millrace test --filter store-load --watch', 'millrace test --json | jq .cases')}

Cases stand in topologies/<name>.test.yaml: given these events, and the clock moved on so, then these features,
outputs and dead letters. The clock is virtual, log and state are in memory. docs/testing.md says how they are written.
Exit codes: 0 all as expected, 1 not, or faults.`,
    )
    .action(async (options) => exit(await (await import('../test.ts')).test(options, terminal)))
}
