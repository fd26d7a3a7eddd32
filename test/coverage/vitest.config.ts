/**
 * `npm run coverage`: which branches of the core no test reaches, by the tests of its parts alone; fails where there is any. On demand:
 * it takes about a minute.
 */
import { defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

const parts = ['aggregations', 'core', 'engine', 'features', 'operators', 'project', 'state', 'transforms']

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: parts.map((part) => `test/${part}/**/*.test.ts`),
    setupFiles: ['test/coverage/setup.ts'],
    // modules are loaded and counted once per process, not once per file
    isolate: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    coverage: {
      enabled: true,
      provider: 'v8',
      include: ['src/{aggregations,core,engine,operators,state}/**/*.ts'],
      reporter: ['text'],
      skipFull: true,
      reportOnFailure: true,
      thresholds: { branches: 100 },
    },
  },
})
