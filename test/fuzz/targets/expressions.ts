import { compileExpression, type Expected, ExpressionError } from '../../../src/core/expression/index.ts'
import { topicType } from '../../../src/core/schema.ts'
import type { Chance } from '../chance.ts'
import type { Target } from '../target.ts'

const EVENT = topicType({
  type: 'record',
  name: 'E',
  fields: [
    { name: 'n', type: 'int' },
    { name: 'm', type: ['null', 'long'] },
    { name: 'd', type: 'double' },
    { name: 's', type: 'string' },
    { name: 't', type: ['null', 'string'] },
    { name: 'b', type: 'boolean' },
    { name: 'l', type: { type: 'array', items: 'string' } },
    { name: 'tags', type: { type: 'map', values: 'int' } },
    { name: 'type', type: { type: 'enum', name: 'T', symbols: ['CREATED', 'PICKED'] } },
    {
      name: 'r',
      type: [
        'null',
        {
          type: 'record',
          name: 'R',
          fields: [
            { name: 'a', type: 'int' },
            { name: 'up', type: ['null', 'R'] },
          ],
        },
      ],
    },
  ],
})
const EXPECTS: readonly Expected[] = ['bool', 'number', 'text', 'value', 'any']
const LETS = new Map([
  ['big', '(event.n + event.n * 2) > 5 || event.b'],
  ['twice', 'big && big'],
  ['more', 'twice && twice && twice'],
])
const INPUTS = 100

const target: Target = {
  about:
    'expressions of any tokens: refused at a place in their text, or a value of the type said for any event, in as many steps as they have parts',
  slice: 20_000,
  open: async () => ({
    try(chance, { input, outcome }) {
      for (let i = 0; i < INPUTS; i++) {
        const text = chance.odds(0.02) ? chance.text(40) : expression(chance, 5)
        const expects = chance.pick(EXPECTS)
        input(() => `${expects} ${JSON.stringify(text)}`)
        try {
          const { evaluate, canonical } = compileExpression(text, { event: EVENT, expects, lets: LETS })
          for (let event = 0; event < 3; event++) {
            const [counted, steps] = counting(someEvent(chance))
            fits(expects, evaluate(counted))
            if (steps() > canonical.length) throw new Error(`${steps()} fields were read for ${canonical}`)
          }
          outcome('evaluated')
        } catch (error) {
          if (!(error instanceof ExpressionError)) throw error
          if (!(error.offset >= 0 && error.offset <= text.length)) throw new Error(`a fault at ${error.offset}`)
          outcome('refused')
        }
      }
    },
  }),
}
export default target

/** Mostly of the right form, with anything in any place. */
function expression(chance: Chance, depth: number): string {
  const inner = () => expression(chance, depth - 1)
  if (depth === 0 || chance.odds(0.3)) return chance.pick(LEAVES)
  const form = chance.pick(FORMS)
  const text = form.replaceAll('$', inner)
  return chance.odds(0.01) ? text.slice(0, chance.int(text.length)) + chance.text(3) : text
}

const LEAVES = [
  ...[
    'event.n',
    'event.m',
    'event.d',
    'event.s',
    'event.t',
    'event.b',
    'event.l',
    'event.tags',
    'event.type',
    'event.r.a',
    'event.r.up.a',
  ],
  ...[
    'event.n',
    'event.d',
    'event.s',
    'event.b',
    'n',
    'event',
    'big',
    'twice',
    'more',
    'constructor',
    '__proto__',
    'event.__proto__',
  ],
  ...[
    '0',
    '1',
    '-1',
    '9007199254740991',
    '99999999999999999999',
    '1.5',
    '1e308',
    '0.0',
    '1u',
    '"a"',
    '"PICKED"',
    "'x'",
    'r"\\d"',
    'b"x"',
  ],
  ...[
    'true',
    'false',
    'null',
    '[]',
    '[1, 2]',
    '["a", "b"]',
    '{"a": 1}',
    '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"',
  ],
]
const FORMS = [
  ...[
    '($ && $)',
    '($ || $)',
    '!$',
    '-$',
    '($ == $)',
    '($ != $)',
    '($ < $)',
    '($ >= $)',
    '($ + $)',
    '($ - $)',
    '($ * $)',
    '($ / $)',
    '($ % $)',
  ],
  ...[
    '($ in $)',
    '($ ? $ : $)',
    '$.contains($)',
    '$.startsWith($)',
    '$.size()',
    'size($)',
    'int($)',
    'double($)',
    'string($)',
    'has($)',
  ],
  ...[
    '$.lowerAscii()',
    '$.trim()',
    '$.substring($, $)',
    '$.substring($)',
    '$[$]',
    'event.tags[$]',
    'event.l[$]',
    '[$, $]',
    '($ == null)',
  ],
  ...[
    '$.matches($)',
    '[$].all(x, [x].exists(y, $))',
    '$.map(x, $)',
    '{$: $}',
    '$.constructor',
    '$ . a',
    '($)',
    'duration($)',
  ],
]

function someEvent(chance: Chance, depth = 0): Record<string, unknown> {
  const r = depth > 2 || chance.odds(0.3) ? null : { a: chance.whole() | 0, up: depth > 1 ? null : { a: 1, up: null } }
  const tags = Object.assign(Object.create(null), { a: 1, [chance.text(2)]: chance.int(5) })
  return {
    n: chance.whole() | 0,
    m: chance.odds(0.3) ? null : chance.whole(),
    d: chance.number(),
    s: chance.odds(0.05) ? 'a'.repeat(5_000) : chance.text(8),
    t: chance.odds(0.3) ? null : chance.text(4),
    b: chance.odds(0.5),
    l: chance.list(3, () => chance.text(2)),
    tags,
    type: chance.pick(['CREATED', 'PICKED']),
    r,
  }
}

/** The event, and how often a field of it was asked for. */
function counting(event: Record<string, unknown>): [Record<string, unknown>, () => number] {
  let reads = 0
  const counted = new Proxy(event, {
    get(from, name) {
      reads++
      return from[name as string]
    },
  })
  return [counted, () => reads]
}

function fits(expects: Expected, value: unknown): void {
  const isNumber = value === null || Number.isFinite(value)
  const isText = value === null || typeof value === 'string'
  const right = {
    bool: typeof value === 'boolean',
    number: isNumber,
    text: isText,
    value: isNumber || isText,
    any: value !== undefined,
  }
  if (!right[expects]) throw new Error(`${String(value)} where ${expects} is wanted`)
  if (typeof value === 'string' && value.length > 1e6) throw new Error(`a text of ${value.length}`)
}
