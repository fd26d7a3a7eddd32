/** The tests that mutants are tried on. */
// @ts-nocheck

import { relative } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import base from '../../vitest.config.ts'

/** Short files first: the first failure ends the trial of a mutant. */
class ShortFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { cache, config } = this.ctx
    const duration = ({ project, moduleId }: TestSpecification) =>
      cache.getFileTestResults(`${project.name}:${relative(config.root, moduleId)}`)?.duration ?? 0
    return [...files].sort((a, b) => duration(a) - duration(b))
  }
}

const { globalSetup: _, ...test } = base.test ?? {}
export default defineConfig({
  ...base,
  test: {
    ...test,
    include: (process.env.MUTATION_TESTS ?? '').split(','),
    setupFiles: ['test/coverage/setup.ts'],
    sequence: { sequencer: ShortFirst },
  },
})
