import { defineConfig } from 'vitest/config'

/** What parts of one's own and people's tests import is this source. */
const source = (file: string) => new URL(`src/${file}`, import.meta.url).pathname

export default defineConfig({
  resolve: { alias: { 'millrace/testing': source('testing/index.ts'), millrace: source('index.ts') } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/services/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
