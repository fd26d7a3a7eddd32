import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUGS } from './bugs.ts'
import { hunt } from './hunt.ts'
import { Tree } from './tree.ts'

/** `npm run planted-bugs` plants them all. */
const SLICE = [
  'a step is committed before its results are said',
  'rows that were applied before are applied again',
  'timers are met before their time',
  'a claim that is old may still commit',
]

it('there are enough, each of another name, and each can be planted', () => {
  expect(BUGS.length).toBeGreaterThanOrEqual(25)
  expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length)
  for (const { name, file, find } of BUGS) {
    const text = readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8')
    expect({ name, times: text.split(find).length - 1 }).toEqual({ name, times: 1 })
  }
})

describe('is caught:', () => {
  let tree: Tree
  beforeAll(async () => {
    tree = await Tree.copy()
  })
  afterAll(() => tree.remove())

  it.each(SLICE)('%s', { timeout: 120_000 }, async (name) => {
    const bug = BUGS.find((one) => one.name === name)
    if (!bug) throw new Error(`no bug '${name}'`)
    expect((await hunt(tree, bug)).caughtBy).toMatch(/./)
  })
})
