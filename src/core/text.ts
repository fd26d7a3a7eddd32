/** Texts of few bytes, such as ids, without a call out of JavaScript for each: such a call takes several times as long as making the text. */

/** Longest text that is made of its bytes one by one. */
const SHORT = 16

type Make = (bytes: Uint8Array, at: number) => string | undefined

/** By number of bytes, code of its own: to make a text of many units in one call, they must be written out. Undefined where they are not ASCII. */
const MAKES: readonly Make[] = Array.from({ length: SHORT + 1 }, (_, length) => {
  if (length === 0) return () => ''
  const names = Array.from({ length }, (_, i) => `b${i}`)
  const units = names.map((name, i) => `${name} = b[at + ${i}]`)
  const body = `const ${units}; return (${names.join(' | ')}) > 127 ? undefined : String.fromCharCode(${names})`
  return new Function('b', 'at', body) as Make
})

/** The UTF-8 at `from` to `to - 1`, which must be there, as a text; what is no UTF-8 becomes U+FFFD. */
export function textOf(bytes: Buffer, from: number, to: number): string {
  return MAKES[to - from]?.(bytes, from) ?? bytes.toString('utf8', from, to)
}
