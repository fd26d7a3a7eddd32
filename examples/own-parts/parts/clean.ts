/** Makes the records of a transform in code of one's own: comments without what looks like a way to reach somebody. */
import { type Maker, type Part, z } from 'millrace'

const config = z.strictObject({
  mask: z.string().default('…').describe('What stands in the place of what is taken out.'),
})
type Config = z.output<typeof config>

const REACHABLE = /[\w.+-]+@[\w.-]+|\+?\d[\d -]{6,}\d/g

const part: Part<Config, Maker> = {
  summary: 'Takes mail addresses and telephone numbers out of comments; ratings without a comment make no record.',
  config,
  example: "use: { ./parts/clean.ts: { mask: '***' } }",
  open: ({ mask }) => ({
    schema: {
      type: 'record',
      name: 'Comment',
      fields: [
        { name: 'storeId', type: 'string' },
        { name: 'stars', type: 'int' },
        { name: 'comment', type: 'string' },
      ],
    },
    make: ({ event: { storeId, stars, comment } }) =>
      typeof comment === 'string' ? { storeId, stars, comment: comment.replaceAll(REACHABLE, mask) } : null,
  }),
}
export default part
