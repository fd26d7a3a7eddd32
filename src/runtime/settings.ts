import type { Config } from '../core/config.ts'
import type { EngineSettings } from '../engine/task.ts'

/** Positions between tasks of a partition from which on reading it twice costs less than reading it together. */
const NEAR = 100_000
const HOLD_UP_MS = 3_000
const WAITING_FRAMES = 256
const WAITING_RECORDS = 4_096
/** Rows that the tasks of a worker may have decoded at once, about 200 bytes each; and what a task may have however many there are. */
const MOST_ROWS = 4_000_000
const LEAST_ROWS = 4_096

/** What the engine is told, of the configuration and of how many topologies share a worker's memory now. */
export function settingsOf({ engine }: Config, topologies: () => number): EngineSettings {
  const LIVE_KEYS = 500
  const tasks = () => Math.max(1, topologies() * engine.shufflePartitions)
  return {
    idle: engine.idle,
    heartbeat: engine.heartbeat,
    skew: engine.skew,
    maxRecords: Math.min(4_096, engine.batch.maxRecords),
    get maxRows() {
      return Math.min(engine.batch.maxRecords, Math.max(LEAST_ROWS, Math.floor(MOST_ROWS / tasks())))
    },
    near: NEAR,
    holdUp: HOLD_UP_MS,
    waitingFrames: WAITING_FRAMES,
    waitingRecords: WAITING_RECORDS,
    linger: engine.batch.linger,
    maxKeys: Math.min(LIVE_KEYS, engine.batch.maxKeys),
    maxKeysBehind: engine.batch.maxKeys,
    get cacheKeys() {
      return Math.max(1, Math.floor(engine.cacheKeys / tasks()))
    },
    tableBytes: engine.tableBytes,
    retryMin: engine.retry.first,
    retryMax: engine.retry.most,
  }
}
