import { directory, examples, json, type Usage } from './options.ts'

export const plan: Usage = (program, { terminal, exit }) => {
  program
    .command('plan')
    .description(
      'Say what deploying the files would do to what is deployed; with --apply, delete what nobody needs any more.',
    )
    .addOption(directory())
    .addOption(json())
    .option('--apply', 'delete topics, state and features of old generations and of removed topologies')
    .addHelpText(
      'after',
      `${examples(
        'millrace plan                           before a deployment',
        'millrace plan --json | jq .changes      for a script',
        'millrace plan --apply                   after it, when the alias has moved',
      )}

unchanged   as deployed
new         not deployed yet
safe        changes within the generation; what counts only from now on is said
rebuild     a new generation, computed beside the old one; the alias moves when it has caught up
breaking    a feature or an output topic changes in a way that its readers may stumble over
removed     no longer in the files; stays until --apply

Deploying needs no --apply: workers compute what their files say. --apply deletes generations that neither run nor
serve, and all of removed topologies, and lists them first. Take the files away everywhere before you sweep a
removed topology. Needs the services of millrace.yaml; with embedded ones, stop the worker first.

Exit codes: 0 nothing, or only new and safe changes; 1 failed; 2 wrong usage; 3 a rebuild; 4 breaking or removed.`,
    )
    .action(async (options) => exit(await (await import('../plan.ts')).plan(options, terminal)))
}
