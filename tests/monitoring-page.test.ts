import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createMemoryNetwork } from '@sockman/core/memory'
import { afterAll, expect, test } from 'vitest'
import { workspace } from './pack'
import { requireRow, rows } from './rows'

const page = readFileSync(workspace('docs/monitoring.md'), 'utf8')
/** Where Node finds the workspace's packages. */
const folder = mkdtempSync(join(workspace('tests/node_modules'), '.page-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs one of the page's programs. */
async function run(name: string): Promise<Record<string, (...args: unknown[]) => unknown>> {
  const program = new RegExp(`^\`\`\`js\n// ${name}\n(.*?)^\`\`\`$`, 'ms').exec(page)![1]!
  const file = join(folder, name)
  writeFileSync(file, program)
  return import(pathToFileURL(file).href)
}

for (const row of rows) {
  test(`the page on monitoring: metrics of ${row.name} are in Prometheus' format`, async (context) => {
    requireRow(row, context)
    const { metrics } = await run('metrics.js')
    await using man = row.backend.createSockMan({}, { drive: row.drive })
    man.listen(0)
    const lines = (metrics!(man) as string).trimEnd().split('\n')
    const stats = man.stats()
    expect(lines).toHaveLength(2 * Object.keys(stats).length)
    for (let at = 0; at < lines.length; at += 2) {
      const [, name, type] = /^# TYPE (sockman_[a-z_]+) (counter|gauge)$/.exec(lines[at]!)!
      expect(name!.endsWith('_total')).toBe(type === 'counter')
      expect(lines[at + 1]).toMatch(
        new RegExp(`^${name}\\{backend="${row.backend.name}",drive="${row.drive}"\\} \\d+$`),
      )
    }
    expect(lines).toContain(`sockman_listeners{backend="${row.backend.name}",drive="${row.drive}"} 1`)
  })
}

test('what the page says of numbers is about numbers that there are, and no gauge is missing', async () => {
  const network = createMemoryNetwork()
  const man = network.host('10.0.0.1').createSockMan({})
  const names = Object.keys(man.stats())
  const table = page.split('\n').filter((line) => line.startsWith('| `'))
  const said = table.flatMap((line) => line.split('|')[1]!.match(/\w+/g)!)
  for (const name of said) expect(names).toContain(name)
  const gauges = /new Set\(\[(.*?)\]\)/.exec(page)![1]!.match(/\w+/g)!
  for (const name of gauges) expect(names).toContain(name)
  await man.stop()
})

test('the page on monitoring: its subscriber runs', async () => {
  await run('channels.js')
})
