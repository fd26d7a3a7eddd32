/** What is wrong in a file: everything that `millrace check` says is one of these. */

/** Kinds of faults; programs that read `millrace check --json` may tell them apart by these. */
export type ProblemCode =
  | 'yaml-syntax'
  | 'file-unreadable'
  | 'unknown-key'
  | 'missing-key'
  | 'bad-value'
  | 'bad-duration'
  | 'missing-variable'
  | 'unknown-part'
  | 'bad-part'
  | 'unknown-topic'
  | 'unknown-field'
  | 'missing-schema'
  | 'invalid-schema'
  | 'bad-expression'
  | 'duplicate-name'

/** One fault, and where it stands. */
export interface Problem {
  /** Relative to the project's directory. */
  readonly file: string
  /** Both count from 1; columns are UTF-16 units, as editors count them. */
  readonly line: number
  readonly column: number
  readonly code: ProblemCode
  /** What was found. Never a value that came from the environment. */
  readonly message: string
  /** What would be right. */
  readonly expected?: string
  /** The nearest right name. */
  readonly suggestion?: string
}

/** A problem before it has a place. */
export type Fault = Pick<Problem, 'code' | 'message'> & {
  readonly expected?: string | undefined
  readonly suggestion?: string | undefined
}

/**
 * What a file says may move the cursor of a terminal, or the order in which its characters are shown: controls and marks of direction
 * are written as their numbers.
 */
export function visible(text: string): string {
  return text.replace(HIDDEN, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const HIDDEN = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** By file, then by place; the same problem at the same place only once. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const once = new Map(problems.map((p) => [`${p.file}:${p.line}:${p.column}:${p.message}`, p]))
  return [...once.values()].sort(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line || a.column - b.column,
  )
}

/** One line `file:line:column: what was found`, and indented below it what was expected and the nearest right name. */
export function renderProblems(problems: readonly Problem[]): string {
  return problems
    .flatMap((p) => [
      `${p.file}:${p.line}:${p.column}: ${p.message}`,
      ...(p.expected === undefined ? [] : [`    expected ${p.expected}`]),
      ...(p.suggestion === undefined ? [] : [`    did you mean ${p.suggestion}?`]),
    ])
    .join('\n')
}
