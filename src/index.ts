/**
 * What programs and parts of one's own may import from `millrace`: the vocabulary, the errors, and what parts are made of.
 *
 * @module millrace
 */

export { z } from 'zod'
export { ByteReader, ByteWriter } from './core/bytes.ts'
export { ClearStop, ERRORS, type ErrorCode, Fenced, MillraceError, RecordError } from './core/errors.ts'
export type * from './core/model.ts'
export { finite, WideSum } from './core/numbers.ts'
export type { Log, Part, PartContext } from './core/part.ts'
export type { ProblemCode } from './core/problem.ts'
export { operatorText, type Selection, selection, slotText } from './core/selection.ts'
export { cutText, MOST_ITEMS, MOST_TEXT, readValue, writeValue } from './core/values.ts'
export { type CheckOptions, checkProject, type Problem, type Project, renderProblems } from './project/check.ts'
