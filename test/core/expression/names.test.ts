import { describe, expect, it } from 'vitest'
import { compileExpression, ExpressionError } from '../../../src/core/expression/index.ts'
import { type AvroType, parseSchema } from '../../../src/core/schema.ts'

const event = parseSchema({
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'arrivedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'leftAt', type: ['null', { type: 'long', logicalType: 'timestamp-millis' }] },
    { name: 'price', type: 'double' },
    { name: 'tags', type: { type: 'array', items: 'string' } },
    { name: 'place', type: { type: 'record', name: 'Place', fields: [{ name: 'city', type: 'string' }] } },
  ],
})
const store = parseSchema(['null', { type: 'record', name: 'Store', fields: [{ name: 'city', type: 'string' }] }])

function refusal(compile: () => unknown): { offset: number; message: string; suggestion: string | undefined } {
  try {
    compile()
  } catch (error) {
    if (error instanceof ExpressionError)
      return { offset: error.offset, message: error.message, suggestion: error.suggestion }
  }
  throw new Error('it was not refused')
}

describe('a name given to an expression', () => {
  const lets = new Map([
    ['waiting', 'event.leftAt - event.arrivedAt'],
    ['spot', 'event.place'],
  ])
  const compile = (text: string) => compileExpression(text, { event, expects: 'number', lets })

  it('is refused where it uses others that use others, so that nothing could hold it with all of them written out', () => {
    const doubling = new Map([['a0', 'event.price']])
    for (let i = 1; i <= 25; i++) doubling.set(`a${i}`, `a${i - 1} + a${i - 1}`)
    const sum = (text: string) => compileExpression(text, { event, expects: 'number', lets: doubling })
    expect(sum('a8').evaluate({ price: 1 })).toBe(256)
    const { offset, message } = refusal(() => sum('1.0 + a25'))
    expect(offset).toBe(6)
    expect(message).toContain('with its names written out it has more than 16384 characters')
  })

  it('stands for it, as if it were written in its place', () => {
    const { evaluate, canonical, fields } = compile('waiting / 1000 + 1')
    expect(evaluate({ arrivedAt: 2_000, leftAt: 5_000 })).toBe(4)
    expect(canonical).toBe('((event.leftAt - event.arrivedAt) / 1000) + 1')
    expect(fields).toEqual([['leftAt'], ['arrivedAt']])
  })

  it('may stand alone, and for a record whose fields are asked for', () => {
    expect(compile('waiting').canonical).toBe('event.leftAt - event.arrivedAt')
    const city = compileExpression('spot.city', { event, expects: 'text', lets })
    expect([city.canonical, city.fields, city.evaluate({ place: { city: 'A' } })]).toEqual([
      'event.place.city',
      [['place', 'city']],
      'A',
    ])
  })

  it('is pointed at where it is used when it does not fit there', () => {
    expect(refusal(() => compile('1.0 + waiting'))).toMatchObject({ offset: 6 })
    expect(refusal(() => compile('waitin + 1'))).toMatchObject({ offset: 0, suggestion: 'waiting' })
  })
})

describe('values beside the record', () => {
  const beside = new Map<string, AvroType>([
    ['store', store],
    ['item', { kind: 'string' }],
  ])
  const compile = (text: string) => compileExpression(text, { event, expects: 'any', beside })

  it('are reached by their names, and what is not there is null', () => {
    const { evaluate, fields } = compile('event.id + "/" + item + "/" + store.city')
    expect(evaluate({ event: { id: 'a' }, item: 'b', store: { city: 'c' } })).toBe('a/b/c')
    expect(evaluate({ event: { id: 'a' }, item: 'b', store: null })).toBe(null)
    expect(fields).toEqual([['id']])
  })

  it('may be given as a whole', () => {
    expect(compile('store').evaluate({ event: {}, item: '', store: { city: 'c' } })).toEqual({ city: 'c' })
    expect(compile('event').fields.flat()).toEqual(['id', 'arrivedAt', 'leftAt', 'price', 'tags', 'place'])
  })

  it('a bare path is one of the record, unless its name is taken', () => {
    expect(compile('place.city').canonical).toBe('event.place.city')
    expect(compile('store.city').canonical).toBe('store.city')
    expect(refusal(() => compile('stor.city'))).toMatchObject({ offset: 0 })
  })
})

describe('the type of what an expression gives', () => {
  const beside = new Map([['store', store]])
  const typeOf = (text: string) => {
    const { avro } = compileExpression(text, { event, expects: 'any', beside })
    if (avro?.kind !== 'union') return avro?.kind
    return avro.options.map((option) => option.kind).join(' or ')
  }

  it.each([
    ['event.arrivedAt', 'timestamp'],
    ['event.leftAt', 'null or timestamp'],
    ['event.place', 'record'],
    ['event.place.city', 'string'],
    ['store', 'null or record'],
    ['store.city', 'null or string'],
    ['event.tags[0]', 'null or string'],
    ['size(event.tags)', 'long'],
    ['"A"', 'string'],
    ['event.id + "-" + event.place.city', 'string'],
    ['event.price > 5.0 && event.id != "x"', 'boolean'],
    ['event.leftAt == null', 'boolean'],
    ['event.leftAt > 5', 'null or boolean'],
    ['event.price / 60.0', 'null or double'],
    ['event.arrivedAt + 1', 'null or long'],
    ['[event.id, "x"]', 'array'],
    ['event.leftAt == null ? event.arrivedAt : event.leftAt', 'timestamp'],
    ['has(event.leftAt) ? event.leftAt : 0', 'long'],
    ['event.leftAt != null ? event.arrivedAt : event.leftAt', 'null or timestamp'],
    ['string(event.price)', 'string'],
    ['int(event.id)', 'null or long'],
  ])('%s is %s', (text, type) => {
    expect(typeOf(text)).toBe(type)
  })

  it('a null that is written has none', () => {
    expect(refusal(() => typeOf('null'))).toMatchObject({ offset: 0, message: 'this is null' })
  })
})
