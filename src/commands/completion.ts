/** Completion for shells, made of the program itself: a script that knows it all, so that a key press starts nothing. */
import type { Command, Option } from 'commander'
import type { Terminal } from './console.ts'

export type Shell = 'bash' | 'zsh' | 'fish'

export function completion(shell: Shell, program: Command, { out }: Terminal): number {
  out.write(SCRIPTS[shell](levelsOf(program)))
  return 0
}

/** What may come after some words: `features get`. */
interface Level {
  readonly path: string
  readonly commands: readonly { readonly name: string; readonly description: string }[]
  readonly options: readonly Option[]
  /** Values that an argument may have. */
  readonly choices: readonly string[]
}

function levelsOf(command: Command, path = ''): Level[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command).filter((each) => each.name() !== 'help')
  const level = {
    path,
    commands: commands.map((each) => ({ name: each.name(), description: each.description() })),
    options: help.visibleOptions(command),
    choices: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  }
  return [level, ...commands.flatMap((each) => levelsOf(each, `${path} ${each.name()}`.trim()))]
}

const flagsOf = ({ long, short }: Option): string[] =>
  [short, long].filter((flag) => flag !== undefined && flag !== null)
const takesValue = ({ required, optional }: Option): boolean => required || optional
const isFolder = ({ long }: Option): boolean => long === '--directory'
const choicesOf = ({ argChoices = [] }: Option): readonly string[] => argChoices
const isFile = ({ flags }: Option): boolean => flags.includes('<file>')

const SCRIPTS: Readonly<Record<Shell, (levels: readonly Level[]) => string>> = { bash, zsh, fish }

/** Words that lead to a level, one pattern a command: the words so far, then the next. */
const steps = (levels: readonly Level[]) =>
  levels
    .filter(({ path }) => path !== '')
    .map(({ path }) => `"${path}"`)
    .join(' | ')

function bash(levels: readonly Level[]): string {
  const valued = levels.flatMap(({ path, options }) =>
    options.filter(takesValue).map((option) => {
      const pattern = flagsOf(option)
        .map((flag) => `"${path}:${flag}"`)
        .join(' | ')
      const kind = isFolder(option) ? '-d' : isFile(option) ? '-f' : `-W "${choicesOf(option).join(' ')}"`
      const found = `$(compgen ${kind} -- "$cur")`
      return `    ${pattern}) COMPREPLY=(${found}); return ;;`
    }),
  )
  const words = levels.map(({ path, commands, options, choices }) => {
    const all = [...commands.map(({ name }) => name), ...choices, ...options.flatMap(flagsOf)]
    return `    "${path}") words="${all.join(' ')}" ;;`
  })
  return `# bash completion of millrace
_millrace() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at="" next words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${at:+$at }\${COMP_WORDS[i]}"
    case "$next" in
      ${steps(levels)}) at="$next" ;;
    esac
  done
  case "$at:$prev" in
${valued.join('\n')}
  esac
  case "$at" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _millrace millrace
`
}

function zsh(levels: readonly Level[]): string {
  const described = (name: string, description: string) => quoted(`${name.replaceAll(':', '\\:')}:${description}`)
  const cases = levels.map(({ path, commands, options, choices }) => {
    const valued = options.filter(takesValue).map((option) => {
      const action = isFolder(option)
        ? '_files -/'
        : isFile(option)
          ? '_files'
          : `compadd ${choicesOf(option).join(' ')}`
      return `        ${flagsOf(option).join('|')}) ${action}; return ;;`
    })
    const all = [
      ...commands.map(({ name, description }) => described(name, description)),
      ...choices.map((choice) => described(choice, '')),
      ...options.flatMap((option) => flagsOf(option).map((flag) => described(flag, option.description))),
    ]
    return `    "${path}")
      case "$words[CURRENT-1]" in
${[...valued, '        *) ;;'].join('\n')}
      esac
      found=(${all.join(' ')}) ;;`
  })
  return `#compdef millrace
_millrace() {
  local at="" next i
  local -a found
  for ((i = 2; i < CURRENT; i++)); do
    next="\${at:+$at }$words[i]"
    case "$next" in
      ${steps(levels).replaceAll(' | ', '|')}) at="$next" ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  _describe millrace found
}
if [[ "\${funcstack[1]}" == _millrace ]]; then _millrace "$@"; else compdef _millrace millrace; fi
`
}

function fish(levels: readonly Level[]): string {
  const lines = levels.flatMap(({ path, commands, options, choices }) => {
    const here = `-n ${quoted(`__millrace_at ${quotedIf(path)}`)}`
    return [
      ...commands.map(({ name, description }) => `complete -c millrace ${here} -a ${name} -d ${quoted(description)}`),
      ...choices.map((choice) => `complete -c millrace ${here} -a ${choice}`),
      ...options.map((option) => {
        const { long, short, description } = option
        const names = [short ? `-s ${short.slice(1)}` : '', long ? `-l ${long.slice(2)}` : ''].filter(Boolean).join(' ')
        const value = isFolder(option) || isFile(option) ? ' -r -F' : takesValue(option) ? ` -x${offered(option)}` : ''
        return `complete -c millrace ${here} ${names}${value} -d ${quoted(description)}`
      }),
    ]
  })
  const paths = levels.filter(({ path }) => path !== '').map(({ path }) => quoted(path))
  return `# fish completion of millrace
function __millrace_at
    set -l at ''
    for word in (commandline -opc)[2..-1]
        set -l next (string trim "$at $word")
        if contains -- "$next" ${paths.join(' ')}
            set at "$next"
        end
    end
    test "$at" = "$argv"
end
complete -c millrace -f
${lines.join('\n')}
`
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
const quotedIf = (text: string): string => (text === '' ? '""' : text)
const offered = (option: Option): string =>
  choicesOf(option).length === 0 ? '' : ` -a ${quoted(choicesOf(option).join(' '))}`
