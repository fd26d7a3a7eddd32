/**
 * YAML with places: every value of a file can be pointed at as line and column, also the middle of a text.
 * Hostile input ends in problems: size, depth, aliases and the number of problems are bounded.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
} from 'yaml'
import { type Fault, type Problem, visible } from './problem.ts'

export const MAX_BYTES = 1024 * 1024
/** Marks, texts and spaces: the parser takes microseconds for each. */
export const MAX_TOKENS = 200_000
const MAX_DEPTH = 64
const MAX_ALIASES = 100
export const MAX_PROBLEMS = 100

export type Path = readonly (string | number)[]

/** Points at the key of a mapping's entry instead of its value, or at an offset inside the text that stands there. */
export type Where = 'key' | number

export class YamlFile {
  readonly file: string
  /** Plain JavaScript: objects without prototype, arrays, texts, numbers, booleans, null. */
  readonly value: unknown
  readonly problems: Problem[] = []
  private readonly text: string
  private readonly lines = new LineCounter()
  private readonly root: Node | null
  private readonly resolve: (node: unknown) => unknown
  private aliases = 0

  /** `file` is the name said in problems. */
  constructor(file: string, text: string) {
    this.file = file
    this.text = text
    const tooLarge = Buffer.byteLength(text) > MAX_BYTES ? `${MAX_BYTES} bytes` : tokensBeyond(text)
    if (tooLarge) {
      this.root = null
      this.resolve = (node) => node
      this.addAt(0, { code: 'yaml-syntax', message: `the file is larger than ${tooLarge}` })
      return
    }
    const document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false, uniqueKeys: false })
    this.root = document.contents
    this.resolve = (node) => (isAlias(node) ? node.resolve(document) : node)
    const lines = new Set<number>()
    for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
      const { line } = this.lines.linePos(pos[0])
      if (!lines.has(line)) this.addAt(pos[0], { code: 'yaml-syntax', ...syntax(code, message, text[pos[0]]) })
      lines.add(line)
    }
    this.value = this.plain(this.root, 0)
  }

  /** The same file as if `value` stood in it: where that has a path, `place` answers the one in the file. Problems are shared. */
  seenAs(value: unknown, place: (path: Path) => Path): YamlFile {
    const offset: YamlFile['offset'] = (path, where) => this.offset(place(path), where)
    return Object.create(this, { value: { value }, offset: { value: offset } }) as YamlFile
  }

  /** What is written at a path; undefined when nothing stands there. */
  at(path: Path): unknown {
    return path.reduce<unknown>(
      (value, step) => (value as Record<string, unknown> | null | undefined)?.[step],
      this.value,
    )
  }

  /** Line and column of what stands at a path, or of the nearest thing above it; both count from 1. */
  place(path: Path, where?: Where): { readonly line: number; readonly column: number } {
    const { line, col } = this.lines.linePos(this.offset(path, where))
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }

  /** Adds a problem at a path; where nothing stands there, at the nearest thing above it. */
  add(path: Path, fault: Fault, where?: Where): void {
    if (this.problems.length < MAX_PROBLEMS) this.addAt(this.offset(path, where), fault)
  }

  /** Adds a problem at an offset in the file's text. */
  addAt(offset: number, fault: Fault): void {
    if (this.problems.length === MAX_PROBLEMS) return
    const { line, col } = this.lines.linePos(offset)
    const { code, message, expected, suggestion } = fault
    this.problems.push({
      file: visible(this.file),
      line: Math.max(1, line),
      column: Math.max(1, col),
      code,
      message: visible(message),
      ...(expected === undefined ? {} : { expected: visible(expected) }),
      ...(suggestion === undefined ? {} : { suggestion: visible(suggestion) }),
    })
  }

  private offset(path: Path, where: Where | undefined): number {
    let node: unknown = this.root
    let offset = this.root?.range?.[0] ?? 0
    for (const [i, step] of path.entries()) {
      node = this.resolve(node)
      if (isSeq(node)) node = node.items[Number(step)]
      else if (isMap(node)) {
        const pair = node.items.find((item) => keyOf(item) === String(step))
        if (!pair) return offset
        offset = (pair.key as Node).range![0]
        if (where === 'key' && i === path.length - 1) return offset
        node = pair.value
      } else return offset
      offset = (node as Node | null)?.range?.[0] ?? offset
    }
    return typeof where === 'number' && isScalar(node) ? this.inside(node, where) : offset
  }

  /** Where the character at `offset` of a scalar's value stands in the file; the scalar's start when that can't be told. */
  private inside(scalar: Scalar, offset: number): number {
    const [start, end] = scalar.range!
    const value = String(scalar.value)
    const block = scalar.type === 'BLOCK_LITERAL' || scalar.type === 'BLOCK_FOLDED'
    const double = scalar.type === 'QUOTE_DOUBLE'
    let at = block ? this.text.indexOf('\n', start) + 1 : start + (double || scalar.type === 'QUOTE_SINGLE' ? 1 : 0)
    const isSpace = () => /\s/.test(this.text[at] as string)
    for (let i = 0; at < end; ) {
      const wanted = value[i]
      const found = this.text[at]
      if (double && found === '\\') {
        if (i === offset) return at
        i++
        at += ESCAPES[this.text[at + 1] as string] ?? 2
      } else if (wanted === found && (wanted !== '\n' || block)) {
        if (i === offset) return at
        i++
        if (found === "'" && scalar.type === 'QUOTE_SINGLE') at++
        at++
      } else if (isSpace()) {
        // indentation stands before what is wanted; a fold stands for it
        if (/\s/.test(wanted as string) && i++ === offset) return at
        while (at < end && isSpace()) at++
      } else return i >= value.length ? at : start
    }
    return offset >= value.length ? end : start
  }

  private plain(raw: unknown, depth: number): unknown {
    const place = (raw as Node | null)?.range?.[0] ?? 0
    if (isAlias(raw) && ++this.aliases > MAX_ALIASES) {
      if (this.aliases === MAX_ALIASES + 1)
        this.addAt(place, { code: 'yaml-syntax', message: `aliases stand for more than ${MAX_ALIASES} values` })
      return null
    }
    const node = this.resolve(raw)
    if (isAlias(raw) && node === undefined) {
      this.addAt(place, { code: 'yaml-syntax', message: `no anchor &${raw.source} stands before this alias` })
      return null
    }
    if (depth > MAX_DEPTH) {
      this.addAt(place, { code: 'yaml-syntax', message: `nested deeper than ${MAX_DEPTH}` })
      return null
    }
    if (isScalar(node)) return node.value
    if (isSeq(node)) return node.items.map((item) => this.plain(item, depth + 1))
    if (!isMap(node)) return null
    const object: Record<string, unknown> = Object.create(null)
    for (const pair of node.items) {
      const key = keyOf(pair)
      const keyPlace = (pair.key as Node).range![0]
      if (key === undefined)
        this.addAt(keyPlace, { code: 'yaml-syntax', message: 'a key is not a text', expected: 'a name' })
      else if (key === '__proto__')
        this.addAt(keyPlace, { code: 'unknown-key', message: `'${key}' is refused as a key` })
      else if (Object.hasOwn(object, key))
        this.addAt(keyPlace, { code: 'duplicate-name', message: `'${key}' stands twice`, expected: 'each key once' })
      else object[key] = this.plain(pair.value, depth + 1)
    }
    return object
  }
}

/** Undefined where the text has no more tokens than a file may have. */
function tokensBeyond(text: string): string | undefined {
  let left = MAX_TOKENS
  for (const _ of new Lexer().lex(text)) if (--left < 0) return `${MAX_TOKENS} tokens`
  return undefined
}

function keyOf(pair: Pair): string | undefined {
  return isScalar(pair.key) && pair.key.value !== null ? String(pair.key.value) : undefined
}

/** Source characters of an escape in double quotes, where not 2. */
const ESCAPES: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 }

const QUOTE =
  "single quotes around a text that has ': ' or ' #' in it, or begins with a sign; inside { } also for [ ] { } and ','"

/** What the parser found, in words for who writes expressions in YAML; one a line, since the others follow from it. */
function syntax(code: string, message: string, character = 'the end'): Pick<Fault, 'message' | 'expected'> {
  switch (code) {
    case 'UNEXPECTED_TOKEN':
    case 'BAD_SCALAR_START':
      return { message: `${character} is not expected here`, expected: QUOTE }
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'BLOCK_IN_FLOW':
      return { message: "': ' begins a mapping inside this text", expected: QUOTE }
    case 'TAG_RESOLVE_FAILED':
      return { message: 'a text beginning with ! is a YAML tag', expected: QUOTE }
    case 'MULTIPLE_DOCS':
      return { message: 'a second document begins', expected: 'one document per file' }
    case 'TAB_AS_INDENT':
      return { message: 'a tab as indentation', expected: 'spaces' }
    default:
      return { message: message.charAt(0).toLowerCase() + message.slice(1) }
  }
}
