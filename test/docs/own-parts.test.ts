import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'

const text = readFileSync(new URL('../../docs/own-parts.md', import.meta.url), 'utf8')
const rows = [...text.matchAll(/^ {2}\| ([^|]*) \| ([^|]*\)`) \|/gm)]
const named = (cell: string | undefined) => [...(cell ?? '').matchAll(/`(\w+)\(/g)].map(([, name]) => name)
const methodsOf = (made: { readonly prototype: object }, ...others: string[]) =>
  Object.entries(Object.getOwnPropertyDescriptors(made.prototype))
    .filter(([name, { value }]) => typeof value === 'function' && !['constructor', ...others].includes(name))
    .map(([name]) => name)

/** What an own part has no use for. */
const ENGINES_OWN = ['take', 'drain', 'offsets']

it('docs/own-parts.md names what encode can write and decode can read', () => {
  expect(rows.flatMap(([, writer]) => named(writer)).sort()).toEqual(
    methodsOf(ByteWriter, ...ENGINES_OWN, 'room', 'shortText').sort(),
  )
  expect(rows.flatMap(([, , reader]) => named(reader)).sort()).toEqual(
    methodsOf(ByteReader, ...ENGINES_OWN, 'need').sort(),
  )
})
