import { expect, it } from 'vitest'
import { encodeFrames, isAcknowledgedLater, placeFrame } from '../../../src/transports/embedded/frame.ts'

/** A torn frame's bytes, then one frame that says how far all was acknowledged. */
function behind(torn: Buffer, acknowledged: number): Buffer {
  const [frame] = encodeFrames([{ topic: 't', key: null, value: Buffer.from('v') }], 0)
  placeFrame(frame!, 7, acknowledged, 1)
  return Buffer.concat([torn, frame!.bytes])
}

it('a frame behind a bad one tells whether what is bad had been acknowledged', () => {
  expect(isAcknowledgedLater(behind(Buffer.alloc(50), 6), 5, 1)).toBe(true)
  expect(isAcknowledgedLater(behind(Buffer.alloc(50), 5), 5, 1)).toBe(false)
  expect(isAcknowledgedLater(Buffer.alloc(1000), 5, 1)).toBe(false)
})

// each of a million offsets seems to begin a frame of half of them: checking all would take minutes
it('bytes made to be slow are not checked for ever, and count as damage', { timeout: 30_000 }, () => {
  const bytes = Buffer.alloc(1_000_000, 7)
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(450_000, at)
  expect(isAcknowledgedLater(bytes, 5, 1)).toBe(true)
})
