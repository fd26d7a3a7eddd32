import { Argument } from 'commander'
import type { SchemaOf } from '../schema.ts'
import { examples, type Usage } from './options.ts'

export const schema: Usage = (program, { terminal, exit }) => {
  program
    .command('schema')
    .description('Print the JSON Schema of a file, so that editors complete and check it.')
    .addArgument(
      new Argument('<of>', 'topology: files in topologies/; test: its *.test.yaml; project: millrace.yaml').choices([
        'topology',
        'test',
        'project',
      ]),
    )
    .addHelpText(
      'after',
      `${examples(
        'millrace schema topology > .vscode/millrace-topology.json',
        'millrace schema test > .vscode/millrace-test.json',
        'millrace schema project > .vscode/millrace-project.json',
      )}

VS Code with the YAML extension then takes them by these lines of .vscode/settings.json:
  "yaml.schemas": {
    ".vscode/millrace-topology.json": ["topologies/*.yaml", "!topologies/*.test.yaml"],
    ".vscode/millrace-test.json": "topologies/*.test.yaml",
    ".vscode/millrace-project.json": "millrace.yaml"
  }
Any editor with the YAML language server takes a first line
  # yaml-language-server: $schema=../.vscode/millrace-topology.json

It knows the keys and the parts, not the topics: \`millrace check\` says more.`,
    )
    .action(async (of: SchemaOf) => exit(await (await import('../schema.ts')).schema(of, terminal)))
}
