import { Option } from 'commander'
import { directory, examples, type Usage } from './options.ts'

/** The example that a new part begins as, by kind. */
export const PART_KINDS = {
  operator: { file: 'share.ts', use: 'my_feature: { window: 1h, of: …, as: { ./parts/NAME.ts: { atLeast: 4 } } }' },
  aggregation: { file: 'first.ts', use: 'my_feature: { ./parts/NAME.ts: { events: 3 }, of: …, as: mean }' },
  transform: { file: 'clean.ts', use: 'use: ./parts/NAME.ts, in a topology of kind: transform' },
  sink: { file: 'append.ts', use: 'to: [store, { ./parts/NAME.ts: { file: results.ndjson } }]' },
} as const
export type PartKind = keyof typeof PART_KINDS

export const init: Usage = (program, { terminal, exit }) => {
  const init = program
    .command('init')
    .description('Make a project that runs: a topology, its schema, sample events and a test.')
    .argument('[directory]', 'made where it is missing', '.')
    .addHelpText(
      'after',
      `${examples('millrace init my-project', 'millrace init part median --kind operator')}

Exit codes: 0 made, 1 a file stands already (nothing is written then).`,
    )
    .action(async (directory) => exit(await (await import('../init.ts')).initProject(directory, terminal)))
  init
    .command('part')
    .description('Make a part of your own, parts/<name>.ts, that works and is there to be changed.')
    .argument('<name>', 'such as median')
    .addOption(new Option('--kind <kind>', 'what it is').choices(Object.keys(PART_KINDS)).default('operator'))
    .addOption(directory())
    .addHelpText('after', examples('millrace init part median', 'millrace init part slack --kind sink'))
    .action(async (name, options) => exit(await (await import('../init.ts')).initPart(name, options, terminal)))
}
