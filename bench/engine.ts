/** What is measured of an engine at a work. */
export type Work = 'w0' | 'w1'
/** One result per changed store and step (or commit interval), or one per event. W0 has one per event that it takes. */
export type Output = 'coalesced' | 'each'

/** The engine that the others are peers of. */
export const MILLRACE = 'Millrace'

export interface Figures {
  readonly eventsPerSecond: number
  /** Of the engine's process, user and system, in µs. */
  readonly cpuPerEvent: number
  /** Of broker and Redis meanwhile, in µs; 0 where it cannot be told. */
  readonly servicesCpuPerEvent: number
  readonly peakMb: number
  readonly results: number
}

export interface Engine {
  /** As tables call it. */
  readonly name: string
  /** How it is set up, by work and output; undefined where it cannot do it. */
  about(work: Work, output: Output): string | undefined
  /** Works off all events once and holds what came out against what must. Throws when anything is wrong. */
  run(work: Work, output: Output, run: string): Promise<Figures>
}
