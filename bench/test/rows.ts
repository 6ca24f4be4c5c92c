import { engineRows } from '../src/rows/backends'
import { parseBenchRow, whyUnavailable } from '../src/rows/row'

/**
 * Every engine on every drive, and those `net` rows, as far as they work here: for tests that hold over every transport.
 * Says which are left out and why.
 */
export async function workingRows(...net: string[]): Promise<string[]> {
  const working: string[] = []
  for (const row of [...(await engineRows()), ...net]) {
    const why = await whyUnavailable(parseBenchRow(row))
    if (why === undefined) working.push(row)
    else console.warn(`not tested over ${row}: ${why}`)
  }
  return working
}
