import { InvalidArgumentError } from 'commander'
import { apiPort, directory, examples, number, type Usage, url } from './options.ts'

export const tail: Usage = (program, { terminal, exit }) => {
  program
    .command('tail')
    .description('Print the records of a topic, decoded, as lines of JSON.')
    .argument('<topic>', 'such as orders, or the topic of the dead letters')
    .option('--from <place>', 'earliest, latest or an ISO time; earliest by default, latest with --follow', place)
    .option('--limit <records>', 'end after so many', number(0, Number.MAX_SAFE_INTEGER))
    .option('-f, --follow', 'go on at the end of the log, until Ctrl-C')
    .option('--where <expression>', 'those only for which it is true: event.total > 5000')
    .addOption(url())
    .addOption(apiPort())
    .addOption(directory())
    .addHelpText(
      'after',
      `${examples(
        'millrace tail orders --limit 5',
        `millrace tail orders --follow --where 'event.type == "ORDER_CREATED"' | jq .value.storeId`,
        'millrace tail orders --from 2026-01-31T12:00:00Z',
        'millrace tail millrace-dead-letters | jq .headers',
      )}

A line is {"partition", "position", "timestamp", "key", "headers", "value"}; bytes, and values with no schema, are
{"base64": …}. Partitions come each in its order, the oldest record first. Nothing is committed: nobody's reading is
disturbed. An embedded log belongs to one process: while \`millrace dev\` runs, records are asked for over its API (which
\`millrace run\` does not offer, as they hold what events hold). Exit codes: 0 ended, 1 failed.`,
    )
    .action(async (topic, options) =>
      exit(await (await import('../tail/index.ts')).tailTopic(topic, options, terminal)),
    )
}

function place(text: string): 'earliest' | 'latest' | Date {
  if (text === 'earliest' || text === 'latest') return text
  const time = new Date(text)
  if (!/^\d{4}-\d\d-\d\d(T.*)?$/.test(text) || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('expected earliest, latest or a time such as 2026-01-31T00:00:00Z.')
  return time
}
