import type { Config } from '../core/config.ts'
import type { EngineSettings } from '../engine/task.ts'

/** Positions between tasks of a partition from which on reading it twice costs less than reading it together. */
const NEAR = 100_000
const HOLD_UP_MS = 3_000
const WAITING_FRAMES = 256
const WAITING_RECORDS = 4_096

/** What the engine is told, of the configuration and of how many topologies share a worker's memory now. */
export function settingsOf({ engine }: Config, topologies: () => number): EngineSettings {
  const LIVE_KEYS = 500
  return {
    idle: engine.idle,
    heartbeat: engine.heartbeat,
    skew: engine.skew,
    maxRecords: Math.min(4_096, engine.batch.maxRecords),
    maxRows: engine.batch.maxRecords,
    near: NEAR,
    holdUp: HOLD_UP_MS,
    waitingFrames: WAITING_FRAMES,
    waitingRecords: WAITING_RECORDS,
    linger: engine.batch.linger,
    maxKeys: Math.min(LIVE_KEYS, engine.batch.maxKeys),
    maxKeysBehind: engine.batch.maxKeys,
    get cacheKeys() {
      return Math.max(1, Math.floor(engine.cacheKeys / Math.max(1, topologies() * engine.shufflePartitions)))
    },
    tableBytes: engine.tableBytes,
    retryMin: engine.retry.first,
    retryMax: engine.retry.most,
  }
}
