import { directory, examples, type Usage } from './options.ts'

export const rebuild: Usage = (program, { terminal, exit }) => {
  program
    .command('rebuild')
    .description("Compute a topology's state and features again from the start of its topics, beside the old ones.")
    .argument('<topology>', 'such as store-load')
    .addOption(directory())
    .addHelpText(
      'after',
      `${examples('millrace rebuild store-load')}

Needs the services of millrace.yaml. Workers take it up when they are started again; until they have caught up, the
API serves the old features. What the topics no longer hold is not in the new ones. With embedded state, stop the
worker first.`,
    )
    .action(async (topology, options) =>
      exit(await (await import('../rebuild.ts')).rebuild(topology, options, terminal)),
    )
}
