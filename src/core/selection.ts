/** Which events a feature takes, and the number it takes of each: `when` and `of`, as every aggregation knows them. */
import type { Column, ColumnSpec, FeatureSpec } from './model.ts'

export interface Selection {
  /** Says what is selected; part of a slot's id. */
  readonly text: string
  /** `when` and `of`, as far as given: the first columns of the slot. */
  readonly columns: readonly ColumnSpec[]
  /** Do events bring a value of their own? */
  readonly valued: boolean
  /** Does the event meet `when`? True without one; false where the writer of the rows did not know it. */
  takes(columns: readonly (Column | undefined)[], row: number): boolean
  /** The value of `of`, NaN where it is null or not finite; 1 without `of`. Never -0. */
  value(columns: readonly (Column | undefined)[], row: number): number
}

export function selection({ columns: { when, of } }: Pick<FeatureSpec, 'columns'>): Selection {
  const columns: ColumnSpec[] = []
  if (when !== undefined) columns.push({ id: when, kind: 'flag' })
  if (of !== undefined) columns.push({ id: of, kind: 'number' })
  const ofAt = columns.length - 1
  return {
    text: slotText({ of, when }),
    columns,
    valued: of !== undefined,
    takes: when === undefined ? () => true : (given, row) => given[0]?.[row] === 1,
    value: of === undefined ? () => 1 : (given, row) => numberAt(given[ofAt], row),
  }
}

function numberAt(column: Column | undefined, row: number): number {
  const value = column?.[row] as number | undefined
  return value !== undefined && Number.isFinite(value) ? value + 0 : Number.NaN
}

/** `a="…" b="…"` of the settings that are given: texts that differ where the settings differ. */
export function slotText(settings: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(' ')
}
