/** Which events a feature takes, and the value it takes of each: `when` and `of`, as every aggregation knows them. */
import type { Column, ColumnSpec, FeatureSpec, Value } from './model.ts'

/** Which events one feature takes, and what it takes of each. */
export interface Selection {
  /** Says what is selected; part of a slot's id. */
  readonly text: string
  /** `when` and `of`, as far as given: the first columns of the slot. */
  readonly columns: readonly ColumnSpec[]
  /** Kind of the values that events bring; undefined where they have none of their own. */
  readonly values: 'number' | 'text' | undefined
  /** Does the event meet `when`? True without one; false where the writer of the rows did not know it. */
  takes(columns: readonly (Column | undefined)[], row: number): boolean
  /** The value of `of`, NaN where it is null or not finite; 1 without `of`. Never -0. */
  value(columns: readonly (Column | undefined)[], row: number): Value
}

/** The selection of a feature, from the columns `when` and `of` that it is given. */
export function selection({ columns: { when, of }, values: kind }: Pick<FeatureSpec, 'columns' | 'values'>): Selection {
  const columns: ColumnSpec[] = []
  if (when !== undefined) columns.push({ id: when, kind: 'flag' })
  if (of !== undefined) columns.push({ id: of, kind })
  const ofAt = columns.length - 1
  const valueAt = kind === 'number' ? numberAt : textAt
  return {
    text: slotText({ of, when }),
    columns,
    values: of === undefined ? undefined : kind,
    takes: when === undefined ? () => true : (given, row) => given[0]?.[row] === 1,
    value: of === undefined ? () => 1 : (given, row) => valueAt(given[ofAt], row),
  }
}

function numberAt(column: Column | undefined, row: number): number {
  const value = column?.[row] as number | undefined
  return value !== undefined && Number.isFinite(value) ? value + 0 : Number.NaN
}

function textAt(column: Column | undefined, row: number): Value {
  const value = column?.[row]
  return typeof value === 'string' ? value : Number.NaN
}

/** `as="…"` of an operator, with the settings that its accumulators depend on: equal where those of the two mean the same. */
export function operatorText({ as, settings, operator }: Pick<FeatureSpec, 'as' | 'settings' | 'operator'>): string {
  const remembered = operator.remembers ?? (settings as object | undefined) ?? {}
  return slotText({ as, settings: Object.keys(remembered).length > 0 ? JSON.stringify(remembered) : undefined })
}

/** `a="…" b="…"` of the settings that are given: texts that differ where the settings differ. */
export function slotText(settings: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(' ')
}
