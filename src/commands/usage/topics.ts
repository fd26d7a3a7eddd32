import { apiPort, directory, examples, json, type Usage, url } from './options.ts'

export const topics: Usage = (program, { terminal, exit }) => {
  program
    .command('topics')
    .description('List the topics that topologies read and write: partitions, records, schema.')
    .addOption(directory())
    .addOption(url())
    .addOption(apiPort())
    .addOption(json())
    .addHelpText(
      'after',
      `${examples('millrace topics', "millrace topics --json | jq '.topics[] | {name, partitions}'")}

Asks the transport and the registry of millrace.yaml. An embedded log belongs to one process: while that runs, it is
asked over its API. Exit codes: 0 listed; 1 not: faults in the files, or something does not answer.`,
    )
    .action(async (options) => exit(await (await import('../topics.ts')).topics(options, terminal)))
}
