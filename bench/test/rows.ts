import { parseBenchRow, whyUnavailable } from '../src/rows/row'

/** The rows that work here, for tests that hold over every transport; says which are left out and why. */
export async function workingRows(...wanted: string[]): Promise<string[]> {
  const working: string[] = []
  for (const row of wanted) {
    const why = await whyUnavailable(parseBenchRow(row))
    if (why === undefined) working.push(row)
    else console.warn(`not tested over ${row}: ${why}`)
  }
  return working
}
