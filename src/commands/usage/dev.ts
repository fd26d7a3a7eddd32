import { directory, examples, number, port, type Usage } from './options.ts'

export const dev: Usage = (program, { terminal, exit }) => {
  program
    .command('dev')
    .description('Run everything on this machine, fed by a simulated city or by a file of your own events.')
    .addOption(directory())
    .option('--rate <events/s>', 'events per second of wall time, in the mean over the day', number(0.1, 100_000), 50)
    .option('--speed <factor>', 'simulated seconds per second', number(0.1, 10_000), 1)
    .option('--seed <number>', 'another seed, another city', number(0, 2 ** 31), 1)
    .option('--replay <file>', 'feed these events instead: NDJSON, .gz too; {"topic": "orders", "event": {…}} a line')
    .option('--no-watch', 'take changed files up at SIGHUP only')
    .addOption(port())
    .addHelpText(
      'after',
      `${examples(
        'millrace dev                         the city at 50 events/s',
        'millrace dev --rate 2000 --speed 60  an hour a minute',
        'millrace dev --replay events.ndjson  your own events',
      )}

Log, schemas, state and features are embedded, in .millrace/, whatever kinds of transport, registry, state and
store millrace.yaml names for \`millrace run\`; its other settings hold, but for http.auth: anybody who reaches
the address is answered. Topology files and schemas that you edit are taken up within seconds (not in a replay).
A restart goes on where it was; remove .millrace/ to start afresh. A replay always starts afresh, beside the
rest, and leaves nothing behind. When the file is through, its features are served until Ctrl-C; from its last
event on time goes at the pace of the clock, so windows empty by and by. Sinks of your own are really called, in
a replay too. Ctrl-C again stops at once.

A line of --replay is {"topic": "orders", "event": {…}}, with "key" (text) and "timestamp" (ms since 1970) if
you like; where the topologies read one topic, the bare event will do. What comes after lines of a table (of a
transform, and each with its "key") finds them there: put those first. Bad lines are reported and passed over.

Exit codes: 0 ended by Ctrl-C, 1 could not start, or not be fed.`,
    )
    .action(async (options) => exit(await (await import('../dev/index.ts')).dev(options, terminal)))
}
