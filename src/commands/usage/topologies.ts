import { apiPort, directory, examples, json, type Usage, url } from './options.ts'

export const topologies: Usage = (program, { terminal, exit }) => {
  program
    .command('topologies')
    .description('List the topologies: as the files say, or as they run.')
    .addOption(directory())
    .option('--live', 'ask the running Millrace: tasks, lag, clock, generation that serves')
    .option('--tag <name...>', 'those with one of these tags only')
    .addOption(url())
    .addOption(apiPort())
    .addOption(json())
    .addHelpText(
      'after',
      `${examples(
        'millrace topologies',
        'millrace topologies --live           as they run at the address of the project',
        'millrace topologies --port 8081 --json | jq .topologies[].live.lag',
      )}

--url and --port mean --live. Tasks, lag and clock are those of the process that answers; other workers may run more of
a topology. Exit codes: 0 listed; 1 not: faults in the files, or nothing answers.`,
    )
    .action(async (options) => exit(await (await import('../topologies.ts')).topologies(options, terminal)))
}
