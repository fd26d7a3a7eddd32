/**
 * Before each test of `npm run coverage` and `npm run mutation`: the same few runs of each property, and no rounds of chance, which
 * `npm run simulate` and `npm run planted-bugs` are for. So what is reached, and what is noticed, is the same each time.
 */
import fc from 'fast-check'
import { beforeEach } from 'vitest'

const LONG = /services that fail|lose and double|never both|in segments of which few|as it was said before/
/** Operators that the suites of aggregations are not run for: what an aggregation does is the same for all. */
const LEFT_OUT = / as (distinct|ewma|first|max|min|rate|spectral|stddev|sum|top|variance): /

fc.configureGlobal({ numRuns: 10, seed: 1 })

beforeEach(({ task, skip }) => skip(LONG.test(task.fullTestName) || LEFT_OUT.test(task.fullTestName)))
