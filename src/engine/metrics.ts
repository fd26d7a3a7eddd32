/**
 * Every metric of the engine, in one table. Labels name topologies, topics, partitions, sinks and codes; never
 * keys or entities. Times are in seconds, sizes in records.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60]
const RECORDS = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000]

export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name: `millrace_${name}`, help, labelNames: [...labelNames], registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name: `millrace_${name}`, help, labelNames: [...labelNames], registers })
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: readonly L[]) =>
    new Histogram({ name: `millrace_${name}`, help, buckets, labelNames: [...labelNames], registers })
  return {
    registry,
    recordsIn: counter('records_in_total', 'Records read from source topics.', ['topology', 'topic']),
    rowsApplied: counter('rows_applied_total', 'Rows applied to the state of a key.', ['topology']),
    rowsSkipped: counter(
      'rows_skipped_total',
      'Records or rows that change nothing, by reason: filtered, no_key, tombstone, repeated.',
      ['topology', 'reason'],
    ),
    rowsLate: counter('rows_late_total', "Rows older than their task's clock on arrival.", ['topology']),
    recordsOut: counter('records_out_total', 'Results and records written, by where to: a sink, or a topic.', [
      'topology',
      'to',
    ]),
    deadLetters: counter('dead_letters_total', 'Records sent to the dead-letter topic, by error code.', [
      'topology',
      'code',
    ]),
    lag: gauge('lag_records', 'Records between the position of a task and the end of its log.', [
      'topology',
      'topic',
      'partition',
    ]),
    delay: histogram(
      'feature_delay_seconds',
      "From a record's own timestamp to its features written, for tasks that keep up.",
      SECONDS,
      ['topology'],
    ),
    batchRecords: histogram('batch_records', 'Records (map) or rows (reduce) per step.', RECORDS, ['topology', 'role']),
    batchSeconds: histogram(
      'batch_seconds',
      'Wall time of a step, waiting for more rows and commit included.',
      SECONDS,
      ['topology', 'role'],
    ),
    commitSeconds: histogram('commit_seconds', 'Wall time of a state commit.', SECONDS, ['topology', 'role']),
    sinkSeconds: histogram('sink_seconds', 'Wall time of a call that a sink has answered.', SECONDS, [
      'topology',
      'to',
    ]),
    sinkFailures: counter('sink_failures_total', 'Calls that a sink failed; each is repeated until it succeeds.', [
      'topology',
      'to',
    ]),
    sinkRefused: counter('sink_refused_total', 'Results that a sink can never take; they are dead letters.', [
      'topology',
      'to',
    ]),
    retries: counter('retries_total', 'Calls of services that failed and were tried again.', ['topology']),
    fenced: counter('fenced_total', 'Calls refused because another worker has the task.', ['topology']),
    reopened: counter('reopened_total', 'Tasks opened again after a failure.', ['topology']),
    tasks: gauge('tasks', 'Tasks here, by condition: opening, running, waiting, blocked, stopped.', [
      'topology',
      'role',
      'condition',
    ]),
    blocked: gauge('blocked_tasks', 'Tasks here that wait for a decision, by the code of the error that says which.', [
      'topology',
      'code',
    ]),
    partitions: gauge('assigned_partitions', 'Partitions that are read here.', ['topic']),
    filesTakenUp: gauge('files_taken_up', 'Does all run here that the files declare now? 1 or 0.', []),
    clock: gauge('clock_timestamp_seconds', "Event time that a task's clock has reached.", ['topology', 'partition']),
    waiting: gauge('waiting_records', 'Records, or frames of a shuffle, that were read and wait in memory.', [
      'topology',
      'role',
    ]),
    cacheKeys: gauge('state_cache_keys', 'Keys held in memory.', ['topology']),
    cacheHits: counter('state_cache_hits_total', 'Keys found in memory.', ['topology']),
    cacheMisses: counter('state_cache_misses_total', 'Keys read from the state store.', ['topology']),
  }
}
