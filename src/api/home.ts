/** What is served here: `GET /v1/features` for programs, `GET /` for people. */
import type { EntityCatalog } from './catalog.ts'
import { publishedName } from './view.ts'

/** Entities with the features each answers, by the names it answers with. */
export function discovery(catalog: readonly EntityCatalog[]) {
  return {
    entities: catalog.map(({ entity, topologies }) => {
      const taken = new Set<string>()
      const features = topologies.flatMap(({ topology, features }) =>
        features.map((feature) => {
          const name = publishedName(topology, feature.name, taken)
          taken.add(name)
          return { ...feature, name, topology }
        }),
      )
      return { entity, path: `/v1/features/${encodeURIComponent(entity)}/{id}`, features }
    }),
  }
}

/** `metrics`: are they served here? */
export function homePage(catalog: readonly EntityCatalog[], metrics: boolean): string {
  const rows = discovery(catalog).entities.map(
    ({ entity, path, features }) =>
      `<dt>${escaped(entity)} <code>GET ${escaped(path)}</code></dt>` +
      `<dd>${features.map((feature) => escaped(feature.name)).join(', ')}</dd>`,
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Millrace</title>
<h1>Millrace</h1>
<p>Features computed from events, live.</p>
<ul>
<li><a href="/v1/features">/v1/features</a>: every entity and its features, as JSON</li>
<li><code>GET /v1/features/{entity}/{id}</code>: one entity's values; <code>?features=a,b</code> chooses</li>
<li><code>GET /v1/features/{entity}/{id}/watch</code>: its changes, as server-sent events</li>
<li><code>POST /v1/features/{entity}</code> with <code>{"ids": ["…"]}</code>: many at once</li>
<li><code>POST /v1/features</code> with <code>{"reads": [{"entity": "…", "ids": ["…"]}]}</code>: of several kinds</li>
<li><a href="/v1/topologies">/v1/topologies</a>, <a href="/v1/topics">/v1/topics</a>: what runs here, and what it reads</li>
<li><a href="/openapi.json">/openapi.json</a>: all of this for programs, as OpenAPI 3.1</li>
<li><a href="/health/live">/health/live</a>, <a href="/health/ready">/health/ready</a>: health</li>
${metrics ? '<li><a href="/metrics">/metrics</a>: Prometheus metrics</li>\n' : ''}</ul>
<h2>Entities</h2>
${rows.length > 0 ? `<dl>\n${rows.join('\n')}\n</dl>` : '<p>No topology serves features yet.</p>'}
</html>
`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
