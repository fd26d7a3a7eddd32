import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const docs = (await readdir(join(root, 'docs'), { recursive: true })).filter((name) => name.endsWith('.md'))
const pages = [join(root, 'README.md'), join(root, 'CHANGELOG.md'), ...docs.map((name) => join(root, 'docs', name))]

/** Names that GitHub gives to the headings of a page. */
function anchorsOf(page: string): string[] {
  const headings = readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test.each(pages.map((page) => [relative(root, page), page]))('%s links to what is there', (_, page) => {
  const links = [
    ...readFileSync(page, 'utf8')
      .replaceAll(/^```[\s\S]*?^```$/gm, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
  const broken = links.flatMap(([, link = '']) => {
    if (link.startsWith('http')) return []
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? page : join(dirname(page), path)
    if (!existsSync(target)) return [link]
    return anchor === undefined || anchorsOf(target).includes(anchor) ? [] : [link]
  })
  expect(broken).toEqual([])
})

test('every page is linked from the README, or is a decision', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const unlinked = docs.filter((name) => !name.startsWith('decisions') && !readme.includes(`docs/${name}`))
  expect(unlinked).toEqual([])
})
