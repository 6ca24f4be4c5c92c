import type { Backend, Drive } from '@sockman/core'
import type { TestContext } from 'vitest'
import { backendNames } from '../scripts/workspace.mjs'
import { load } from './fixtures/backend.mjs'

/** One backend on one drive: what every case here is run for. */
export interface Row {
  /** As in the bench: `poll:thread`. */
  name: string
  backend: Backend
  drive: Drive
}

export const backends: readonly Backend[] = await Promise.all(backendNames().map(load))

export const rows: readonly Row[] = backends.flatMap((backend) =>
  backend.supports.drives.map((drive) => ({ name: `${backend.name}:${drive}`, backend, drive })),
)

/** Skips the case, with the probe's own words, where this machine cannot run the row. */
export function requireRow({ backend, drive }: Row, context: TestContext): void {
  requireBackend(backend, context)
  const probe = backend.probe()
  if (probe.available && !probe.drives.includes(drive))
    context.skip(`${backend.name}: the ${drive} drive is not available here`)
}

/** The same, for a case that needs no drive. */
export function requireBackend(backend: Backend, context: TestContext): void {
  const probe = backend.probe()
  if (!probe.available) context.skip(`${backend.name}: ${probe.message}`)
}
