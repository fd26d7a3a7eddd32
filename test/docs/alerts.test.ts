import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

it.each(['operations.md', 'semantics.md', 'redis-layout.md'])(
  '%s speaks only of metrics and labels that there are',
  (page) => {
    const rows = new Map(
      [...read('metrics.md').matchAll(/^\| `(\w+)` \| \w+ \| (.*?) \|/gm)].map(([, name = '', labels = '']) => [
        name,
        labels,
      ]),
    )
    expect(rows.size).toBeGreaterThan(20)
    for (const [, written = '', selector = ''] of read(page).matchAll(/\b(millrace_\w+)(?:\{([^}]*)\})?/g)) {
      const labels = rows.get(written) ?? rows.get(written.replace(/_(bucket|sum|count)$/, ''))
      expect(labels, `${page}: ${written}`).toBeDefined()
      for (const [, label] of selector.matchAll(/(\w+)\s*[=!]/g)) expect(labels, written).toContain(`\`${label}\``)
    }
  },
)
