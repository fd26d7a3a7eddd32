import { apiPort, directory, examples, json, number, type Usage, url } from './options.ts'

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
    .addOption(url())
    .addOption(apiPort())
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      examples('millrace features get store store-1', 'millrace features get store store-1 --json | jq .features'),
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
    .option('--every <ms>', 'how often to look', number(50, 3_600_000), 1_000)
    .addOption(url())
    .addOption(apiPort())
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      examples('millrace features watch store store-1', 'millrace features watch store store-1 --feature orders_5m'),
    )
    .action(async (entity, id, options) =>
      exit(await (await import('../features.ts')).watchFeatures(entity, id, options, terminal)),
    )
}
