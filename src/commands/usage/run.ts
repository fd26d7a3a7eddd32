import { directory, examples, port, type Usage } from './options.ts'

export const run: Usage = (program, { terminal, exit }) => {
  program
    .command('run')
    .description('Run the topologies of a project as a worker, until SIGTERM.')
    .addOption(directory())
    .addOption(port())
    .addHelpText(
      'after',
      `${examples(
        'millrace run --directory /etc/millrace',
        'millrace run --port 0 > worker.log   a second worker on this machine',
      )}

Logs are JSON lines on stdout; LOG_LEVEL=debug says more. millrace.yaml may name variables of the environment.
Exit codes: 0 stopped by a signal, 1 could not start.`,
    )
    .action(async (options) => exit(await (await import('../run.ts')).run(options, terminal)))
}
