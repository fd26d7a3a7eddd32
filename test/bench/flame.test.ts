import { expect, test } from 'vitest'
import { flameGraph, type Profile } from '../../bench/flame.ts'

const node = (id: number, functionName: string, url: string, children: number[] = []): Profile['nodes'][number] => ({
  id,
  callFrame: { functionName, url, lineNumber: 9 },
  children,
})
const nodes = [
  node(1, '(root)', '', [2, 3, 6]),
  node(2, '(idle)', ''),
  node(3, 'step', 'file:///home/someone/src/engine/reduce.ts', [4, 5]),
  node(4, 'add<V>', 'file:///home/someone/src/operators/mean.ts'),
  node(5, '', 'file:///home/someone/node_modules/a/node_modules/b/c.js'),
  node(6, 'start', 'file:///home/someone/src/main.ts'),
]

test('a flame graph shows what the work took and called, without start, waiting and paths of the machine', () => {
  const samples = [6, 3, 2, 4, 5]
  const svg = flameGraph({ nodes, samples, timeDeltas: [700, 100, 5000, 200, 100] }, 'W1 & more')
  const titles = [...svg.matchAll(/<title>(.*?)<\/title>/g)].map(([, title]) => title)
  expect(titles).toEqual([
    'W1 &amp; more',
    'all, 100.0 %',
    'step src/engine/reduce.ts:10, 100.0 %',
    '(anonymous) b/c.js:10, 25.0 %',
    'add&lt;V&gt; src/operators/mean.ts:10, 50.0 %',
  ])
  expect(svg).not.toContain('someone')
})
