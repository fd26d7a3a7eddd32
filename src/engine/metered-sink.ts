import type { Sink } from '../core/model.ts'
import type { Metrics } from './metrics.ts'

/** The same sink, with what it takes and refuses counted. `to` says where it writes: a sink's name, or a topic. */
export function meteredSink(
  sink: Sink,
  labels: { readonly topology: string; readonly to: string },
  metrics: Pick<Metrics, 'recordsOut' | 'sinkSeconds' | 'sinkFailures' | 'sinkRefused'>,
): Sink {
  const { mark, caughtUp, flush } = sink
  return {
    write: async (batch) => {
      const timed = metrics.sinkSeconds.startTimer(labels)
      try {
        const result = await sink.write(batch)
        timed()
        const refused = result.refused?.length ?? 0
        if (refused > 0) metrics.sinkRefused.inc(labels, refused)
        if (!result.behind) metrics.recordsOut.inc(labels, batch.emissions.length - refused)
        return result
      } catch (error) {
        metrics.sinkFailures.inc(labels)
        throw error
      }
    },
    ...(mark ? { mark: (task) => mark.call(sink, task) } : {}),
    ...(caughtUp ? { caughtUp: (...given) => caughtUp.apply(sink, given) } : {}),
    ...(flush ? { flush: (task) => flush.call(sink, task) } : {}),
    close: () => sink.close(),
  }
}
