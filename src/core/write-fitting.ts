import { MillraceError } from './errors.ts'
import type { Draft, Transport } from './model.ts'

/**
 * Writes groups of drafts, in order, and leaves out none but those that hold a draft which the log will never take, being too
 * large: of such a group any other draft may have been written. Answers how each was refused, by the group's index. When there is
 * one, others may be written twice. Rejects with whatever else goes wrong.
 */
export async function writeFitting(
  transport: Pick<Transport, 'write'>,
  groups: readonly (readonly Draft[])[],
): Promise<ReadonlyMap<number, MillraceError>> {
  const refused = new Map<number, MillraceError>()
  const write = async (from: number, to: number): Promise<void> => {
    try {
      await transport.write(groups.slice(from, to).flat())
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'record-too-large') throw error
      if (to - from === 1) {
        refused.set(from, error)
        return
      }
      const middle = (from + to) >> 1
      await write(from, middle)
      await write(middle, to)
    }
  }
  if (groups.length > 0) await write(0, groups.length)
  return refused
}
