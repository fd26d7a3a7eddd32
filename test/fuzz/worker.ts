/** Runs one target in a thread, so that the main one sees a seed that does not end. */
import { parentPort, workerData } from 'node:worker_threads'
import { fuzz } from './target.ts'

/** Shared: the seed that is being tried, and the inputs before it. */
export interface Work {
  readonly target: string
  readonly seed: number
  readonly inputs: number
  readonly progress: Float64Array
}

const { target, seed, inputs, progress } = workerData as Work
try {
  const report = await fuzz(target, {
    seed,
    inputs,
    onSeed: (at, tried) => {
      progress[0] = at
      progress[1] = tried
    },
  })
  parentPort?.postMessage({ report })
} catch (error) {
  parentPort?.postMessage({ failed: error instanceof Error ? `${error.message}\n${stackOf(error)}` : String(error) })
}

function stackOf({ cause }: Error): string {
  return cause instanceof Error ? (cause.stack ?? '') : ''
}
