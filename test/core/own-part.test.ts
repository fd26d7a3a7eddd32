import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { loadOwnPart, OwnPartFault } from '../../src/core/own-part.ts'

/** What is said of a file with this text, and what would be right. */
async function fault(text: string, name = 'part.js'): Promise<readonly [string, string]> {
  const root = mkdtempSync(join(tmpdir(), 'millrace-own-part-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  writeFileSync(join(root, name), text)
  const found = await loadOwnPart(root, `./${name}`).catch((error: unknown) => error)
  if (!(found instanceof OwnPartFault)) throw found
  return [found.message, found.expected]
}

it('a fault of the language is told with its line', async () => {
  expect(await fault('let a = 1\nlet a = 2\n')).toEqual([
    "./part.js:2 cannot be imported: Identifier 'a' has already been declared",
    'a module that loads',
  ])
})

it.each([
  ["new Error('no')", 'no'],
  ["'a text'", 'a text'],
  ['null', 'null'],
])('a file that throws %s cannot be imported', async (thrown, found) => {
  expect(await fault(`throw ${thrown}`)).toEqual([`./part.js cannot be imported: ${found}`, 'a module that loads'])
})

it.each([
  ["Cannot find package 'zod' imported from part.js", "import { z } from 'millrace'"],
  ["Cannot find package 'lodash' imported from part.js", 'a package that the project has installed'],
  ["Cannot find module './b.js' imported from part.js", 'a file that is there'],
])('what to do is said where Node says: %s', async (message, expected) => {
  const missing = `throw Object.assign(new Error(${JSON.stringify(message)}), { code: 'ERR_MODULE_NOT_FOUND' })`
  expect(await fault(missing)).toEqual([`./part.js cannot be imported: ${message}`, expected])
})
