import { Argument } from 'commander'
import type { Shell } from '../completion.ts'
import { examples, type Usage } from './options.ts'

export const completion: Usage = (program, { terminal, exit }) => {
  program
    .command('completion')
    .description('Print a script that lets a shell complete commands and options.')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `${examples(
        'millrace completion bash >> ~/.bashrc',
        'millrace completion zsh > ~/.zfunc/_millrace     in a folder of fpath',
        'millrace completion fish > ~/.config/fish/completions/millrace.fish',
      )}`,
    )
    .action(async (shell: Shell) => exit((await import('../completion.ts')).completion(shell, program, terminal)))
}
