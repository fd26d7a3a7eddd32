/** What is done to texts that were right: lines and tokens of YAML moved, and put in what means something. */
import type { Chance } from './chance.ts'

export const HOSTILE_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'polluted',
  'hasOwnProperty',
  '__defineGetter__',
]

/** The text after one to three changes. */
export function changed(chance: Chance, given: string): string {
  let text = given
  for (let left = 1 + chance.int(3); left > 0; left--) text = once(chance, text)
  return text
}

function once(chance: Chance, text: string): string {
  const lines = text.split('\n')
  const at = chance.int(lines.length)
  const line = lines[at] as string
  switch (chance.int(9)) {
    case 0:
      return text.replaceAll('\n', chance.pick(['\r\n', '\r', '\n\n', '\n\t']))
    case 1:
      return chance.pick(['\ufeff', '---\n', '%YAML 1.1\n---\n', '\0', '!!map\n']) + text
    case 2:
      lines.splice(at, chance.int(3), ...lines.slice(chance.int(lines.length)).slice(0, 3))
      break
    case 3:
      lines.splice(chance.int(lines.length), 0, line)
      break
    case 4:
      lines[at] = line.replace(/[\w"'-]+(?!.*[\w"'-])/, () => piece(chance))
      break
    case 5:
      lines[at] = line.replace(/[A-Za-z_]\w*/, () => chance.pick([...HOSTILE_NAMES, piece(chance)]))
      break
    case 6: {
      const cut = chance.int(line.length + 1)
      lines[at] = line.slice(0, cut) + piece(chance) + line.slice(cut)
      break
    }
    case 7:
      lines.splice(at, 0, `${' '.repeat(chance.int(4) * 2)}${chance.pick(HOSTILE_NAMES)}: ${piece(chance)}`)
      break
    default:
      lines[at] = line.replace(/:\s.*/, () => `: ${piece(chance)}`)
  }
  return lines.join('\n')
}

function piece(chance: Chance): string {
  const size = chance.odds(0.05) ? 5_000 : 1 + chance.int(80)
  return chance.pick([
    () => chance.text(8),
    () => JSON.stringify(chance.text(8)),
    () => String(chance.number()),
    () => chance.pick(PIECES),
    () => chance.pick(PIECES),
    () => chance.pick(['[', '{a: ', '- ', '? ', '(', '!', 'a.', 'x'.repeat(100)]).repeat(size),
    () => `{ ${chance.pick(HOSTILE_NAMES)}: { polluted: 1 } }`,
  ])()
}

/** Begins a name of the environment. */
const DOLLAR = '$'

const PIECES = [
  ...[
    '&a',
    '*a',
    '&a [*a]',
    '<<: *a',
    '!!js/function x',
    '!!binary AA==',
    '!!set {a}',
    '!!timestamp 2001-01-01',
    '~',
    'null',
    'true',
  ],
  ...[
    '.nan',
    '.inf',
    '-.inf',
    '1e999',
    '0x7f',
    '0o7',
    '1_000',
    '99999999999999999999',
    '-1',
    '0',
    '1.5',
    '5m',
    '0ms',
    '1y',
    '36501d',
  ],
  ...[
    '"\\e[31mred"',
    '\u001b[2Jgone',
    '"\\u202eabc"',
    '\u202eabc',
    '\u2066x',
    '"\\0"',
    '\u0085',
    '\u2028',
    '"a\\nb:1:1: all is well"',
    '\ud800',
  ],
  ...[
    '|',
    '>',
    '|+\n    a',
    '>-\n a',
    '"',
    "'",
    ': ',
    '# x',
    ' #',
    '@x',
    '`x`',
    '%',
    ',',
    '{}',
    '[]',
    '[[]]',
    '{a}',
    '? a',
    '- a',
  ],
  ...[
    `${DOLLAR}{HOME}`,
    `${DOLLAR}{`,
    `${DOLLAR}{__proto__}`,
    `${DOLLAR}{X:-y}`,
    './part.ts',
    '../../etc/passwd',
    './',
    '/dev/stdin',
    'file:///etc/passwd',
  ],
  ...[
    'event.type == "',
    'event.__proto__',
    'event.constructor.prototype',
    'has(event)',
    'event["a"]["b"]',
    'size(event)',
    '1/0',
    '"a" * 3',
  ],
  ...[
    'event.type.matches("(a+)+$")',
    '[1,2].map(x, x)',
    '[[1]].all(x, x.all(y, y > 0))',
    'b"x"',
    '5u',
    'event.type in []',
    '{"a": 1}.a',
  ],
  ...[
    'count',
    'percentile',
    '{ percentile: 0.5 }',
    '{ top: 1000000 }',
    '{ last: 1e9, as: count }',
    '{ window: 1d, resolution: 1ms, as: count }',
  ],
]
