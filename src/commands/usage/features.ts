import { apiPort, directory, examples, json, type Usage, url } from './options.ts'

export const features: Usage = (program, { terminal, exit }) => {
  const features = program
    .command('features')
    .description('Read features from a running Millrace.')
    .addHelpText('after', examples('millrace features get store store-1', 'millrace features watch store store-1'))
  features
    .command('get')
    .description('Print the features of one entity.')
    .argument('<entity>', 'such as store')
    .argument('<id>', 'such as store-1')
    .option('--feature <name...>', 'these only')
    .option('--max-age <duration>', 'answer values as of longer ago than this, such as 10m, by their defaults')
    .addOption(url())
    .addOption(apiPort())
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      `${examples('millrace features get store store-1', 'millrace features get store store-1 --json | jq .features')}

Exit codes: 0 answered, also with defaults; 1 not: no such entity or feature, or nothing answers.`,
    )
    .action(async (entity, id, options) =>
      exit(await (await import('../features.ts')).getFeatures(entity, id, options, terminal)),
    )
  features
    .command('watch')
    .description('Print the features of one entity whenever they change, until Ctrl-C.')
    .argument('<entity>', 'such as store')
    .argument('<id>', 'such as store-1')
    .option('--feature <name...>', 'these only')
    .addOption(url())
    .addOption(apiPort())
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      `${examples('millrace features watch store store-1', 'millrace features watch store store-1 --feature orders_5m')}

The API tells of changes as server-sent events; when it ends the stream, as at a restart, this connects again.
With --json, a line per change. Exit codes: 0 ended by Ctrl-C, 1 no such entity or feature, or nothing answers.`,
    )
    .action(async (entity, id, options) =>
      exit(await (await import('../features.ts')).watchFeatures(entity, id, options, terminal)),
    )
}
