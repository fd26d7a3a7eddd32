import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const read = (file: string) => JSON.parse(readFileSync(join(import.meta.dirname, '../..', file), 'utf8'))

it('no package runs a script when it is installed, but one that was looked at', () => {
  const { packages } = read('package-lock.json') as { packages: Record<string, { hasInstallScript?: boolean }> }
  const { allowScripts } = read('package.json') as { allowScripts: Record<string, boolean> }
  const names = Object.keys(packages)
    .filter((path) => packages[path]?.hasInstallScript)
    .map((path) => path.split('node_modules/').at(-1) as string)
  expect([...new Set(names)].sort()).toEqual(Object.keys(allowScripts).sort())
  // `node` fetches its own binary; nothing else needs what it would do
  expect(Object.keys(allowScripts).filter((name) => allowScripts[name])).toEqual(['node'])
})
