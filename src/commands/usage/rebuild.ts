import { apiPort, directory, examples, json, type Usage, url } from './options.ts'

export const rebuild: Usage = (program, { terminal, exit }) => {
  program
    .command('rebuild')
    .description("Compute a topology's state and features again from the start of its topics, beside the old ones.")
    .argument('<topology>', 'such as store-load')
    .option('--wait', 'go on until the new features are served; says how far they are, and how long it will take')
    .addOption(url())
    .addOption(apiPort())
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      `${examples('millrace rebuild store-load', 'millrace rebuild store-load --wait')}

Needs the services of millrace.yaml. Workers take it up at SIGHUP, or when they are started again; until they have
caught up, the API serves the old features. What the topics no longer hold is not in the new ones. With embedded state,
stop the worker first. --wait asks the API for the lag of the process that answers.
Exit codes: 0 asked for, with --wait served; 1 not.`,
    )
    .action(async (topology, options) =>
      exit(await (await import('../rebuild.ts')).rebuild(topology, options, terminal)),
    )
}
