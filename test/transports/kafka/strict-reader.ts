import type { Batch, MemberEvents, Partition, Position } from '../../../src/core/model.ts'

const nameOf = ({ topic, partition }: Partition) => `${topic}/${partition}`

/** What a group has read, as a state store would keep it: members ask it where to go on. */
export class Progress {
  readonly positions = new Map<string, Position>()
  readonly values = new Set<string>()
}

/** A member that allows no position to be left out or to come twice within one assignment. Topics must have no gaps. */
export class StrictReader implements MemberEvents {
  readonly faults: string[] = []
  readonly openings: string[] = []
  readonly closings: string[] = []
  private readonly progress: Progress
  private readonly next = new Map<string, Position>()

  constructor(progress: Progress) {
    this.progress = progress
  }

  get owned(): number {
    return this.next.size
  }

  async opened(partition: Partition): Promise<Position> {
    const name = nameOf(partition)
    this.openings.push(name)
    const position = this.progress.positions.get(name) ?? 0
    this.next.set(name, position)
    return position
  }

  closed(partition: Partition): void {
    this.closings.push(nameOf(partition))
    this.next.delete(nameOf(partition))
  }

  async batch(batch: Batch): Promise<void> {
    const name = nameOf(batch)
    for (const { position, value } of batch.records) {
      const wanted = this.next.get(name)
      if (position !== wanted) this.faults.push(`${name}: ${position} instead of ${wanted}`)
      this.next.set(name, position + 1)
      this.progress.values.add(String(value))
    }
    this.progress.positions.set(name, Math.max(batch.next, this.progress.positions.get(name) ?? 0))
  }
}
