/** The tests that mutants are tried on: small ones, a few runs of each property, one aggregation of every way of remembering. */
import { defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

/** Rounds of chance, which take seconds each: what they find is what `npm run simulate` and `npm run planted-bugs` are for. */
const LONG = 'services that fail|lose and double|never both|in segments of which few'
/** Operators that the suite of an aggregation is not run for: what it does is the same for all. */
const LEFT_OUT = 'distinct|ewma|first|max|min|rate|spectral|stddev|sum|top|variance'

const { globalSetup: _, ...test } = base.test ?? {}
export default defineConfig({
  ...base,
  test: {
    ...test,
    include: (process.env.MUTATION_TESTS ?? '').split(','),
    setupFiles: ['test/mutation/setup.ts'],
    testNamePattern: new RegExp(`^(?!.* as (${LEFT_OUT}): |.*(${LONG}))`),
  },
})
