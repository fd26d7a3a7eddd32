import type { Partition } from './model.ts'

/** By which a partition is told from others, and people find it: `topic/partition`. */
export const nameOf = ({ topic, partition }: Partition): string => `${topic}/${partition}`
