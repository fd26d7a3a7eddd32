import type { Version } from './model.ts'

/** Negative when `a` is older than `b`, 0 when they are the same. */
export function compareVersions(a: Version, b: Version): number {
  return a.generation - b.generation || a.epoch - b.epoch || a.step - b.step
}
