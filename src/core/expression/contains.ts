/** Longest text that the engine's own search looks for: its worst case multiplies both lengths. */
const SHORT = 32

/**
 * Is `part` somewhere in `text`? In time that grows with the sum of their lengths, since both may come from one record:
 * V8's own search takes 25 s of a hostile megabyte. Knuth, Morris and Pratt's.
 */
export function contains(text: string, part: string): boolean {
  if (part.length <= SHORT || part.length > text.length) return text.includes(part)
  const borders = bordersOf(part)
  let matched = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    while (matched > 0 && part.charCodeAt(matched) !== unit) matched = borders[matched - 1] as number
    if (part.charCodeAt(matched) === unit) matched++
    if (matched === part.length) return true
  }
  return false
}

/** Per end: length of the longest beginning of `part`, short of all of it, that also ends there. */
function bordersOf(part: string): Uint32Array {
  const borders = new Uint32Array(part.length)
  let matched = 0
  for (let i = 1; i < part.length; i++) {
    const unit = part.charCodeAt(i)
    while (matched > 0 && part.charCodeAt(matched) !== unit) matched = borders[matched - 1] as number
    if (part.charCodeAt(matched) === unit) matched++
    borders[i] = matched
  }
  return borders
}
