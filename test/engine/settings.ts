import type { Load } from '../../src/engine/pace.ts'
import type { EngineSettings } from '../../src/engine/task.ts'

/** A worker of one task. */
export const ALONE: Load = { tasks: 1, targets: 1 }

/** Small bounds, so that few events reach each of them. */
export const SETTINGS: EngineSettings = {
  idle: 2_000,
  heartbeat: 1_000,
  skew: 5_000,
  maxRecords: 50,
  maxRows: 200,
  near: 20,
  holdUp: 1_000,
  waitingFrames: 256,
  waitingRecords: 4_096,
  linger: 0,
  maxKeys: 5,
  maxKeysBehind: 10,
  cacheKeys: 4,
  tableBytes: 1 << 20,
  retryMin: 10,
  retryMax: 1_000,
}
