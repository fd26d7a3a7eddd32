/** Values of features as JSON, for stores that keep them otherwise. */
import type { FeatureJson, FeatureRecord } from './model.ts'

export function featureJson({ at, values }: FeatureRecord, names: readonly string[]): FeatureJson {
  let text = ''
  const lengths = names.map((name) => {
    const json = Object.hasOwn(values, name) ? JSON.stringify(values[name]) : ''
    text += json
    return Buffer.byteLength(json)
  })
  let end = 0
  const spans = lengths.flatMap((length) => {
    end += length
    return [end - length, end]
  })
  return { at, bytes: Buffer.from(text), spans }
}
