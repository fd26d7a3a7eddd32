import { Option } from 'commander'
import { directory, examples, number, port, type Usage } from './options.ts'

export const run: Usage = (program, { terminal, exit }) => {
  program
    .command('run')
    .description('Run the topologies of a project as a worker, until SIGTERM.')
    .addOption(directory())
    .addOption(port())
    .option('--no-watch', 'take changed files up at SIGHUP only')
    .option('--only <tag>', 'compute the topologies with this tag alone')
    .addOption(
      new Option('--role <role>', 'worker serves no features, api computes none')
        .choices(['worker', 'api', 'all'])
        .default('all'),
    )
    .option('--workers <number>', 'that many processes, watched over by this one', number(1, 256, true))
    .addHelpText(
      'after',
      `${examples(
        'millrace run --directory /etc/millrace',
        'millrace run --port 0 > worker.log   a second worker on this machine',
        'millrace run --workers 4             four of them, with ports from 8080 on',
        'millrace run --role api              serves what the others compute',
        'millrace run --only ads              the topologies tagged ads, in a group of their own',
      )}

Topology files and schemas that are added, changed or removed are taken up within seconds, and at SIGHUP. A wrong
edit is said in the log, and what ran before goes on. Of millrace.yaml only topics: is taken up so.

With --workers, each process has a port of its own (the first the project's, the others those after it; 0 takes
free ones), where its metrics and health are, and all serve the features. One that ends is started again.
When some workers run --only a tag, every topology must have a tag, and each tag a worker: one that runs without
--only runs all of them.

Who may read over HTTP is said by http.auth in millrace.yaml: tokens with scopes, or none. Without it run does not
start.

Logs are JSON lines on stdout; LOG_LEVEL=debug says more. millrace.yaml may name variables of the environment.
Exit codes: 0 stopped by a signal, 1 could not start.`,
    )
    .action(async (options) => exit(await (await import('../run.ts')).run(options, terminal)))
}
