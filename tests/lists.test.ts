import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

const sources = ['packages', 'bench', 'soak'].flatMap((folder) =>
  readdirSync(`${root}/${folder}`, { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file}`)
    .filter((file) => /^[^.]+\/src\/.*\.ts$/.test(file) && !/node_modules|conformance/.test(file)),
)

/**
 * What is right for a short list and fails for a long one: an array's `shift` moves all that is left, and a spread in a
 * call puts each element on the stack, which ends in a RangeError at some 120 000. `Fifo` and a loop do neither.
 */
const ONLY_FOR_SHORT_LISTS = /\.(shift|unshift)\(\)|\.(push|unshift|apply|max|min|fromCharCode)\(\.\.\./

test('no list is emptied by shift, and none is spread into a call (C82)', () => {
  expect(sources.length).toBeGreaterThan(100)
  const found = sources.flatMap((file) =>
    readFileSync(`${root}/${file}`, 'utf8')
      .split('\n')
      .flatMap((line, n) => (ONLY_FOR_SHORT_LISTS.test(line) ? [`${file}:${n + 1}: ${line.trim()}`] : [])),
  )
  // Each of a length that its own code bounds.
  expect(found.filter((line) => !/#recent|points\.push|table\.push|faults\.push/.test(line))).toEqual([])
})
