/** For backends: the async context of one moment (Node's `AsyncLocalStorage`), in which functions can be run later. */
export interface AsyncScope {
  runInAsyncScope<This, Args extends unknown[], Result>(
    run: (this: This, ...args: Args) => Result,
    self: This,
    ...args: Args
  ): Result
}

interface Host {
  process?: {
    versions: Readonly<Record<string, string | undefined>>
    getBuiltinModule?: (id: string) => { AsyncResource?: new (type: string) => AsyncScope } | undefined
  }
}

const { process } = globalThis as Host
/** `process.getBuiltinModule` instead of an import, so that core bundles for a browser. */
const AsyncResource = process?.getBuiltinModule?.('node:async_hooks')?.AsyncResource

/** Where Node from 22 on keeps the frame of a resource. Without frames each storage has a property of its own. */
const FRAME = 'context_frame'
/** Node's properties of a resource that say nothing about its context. */
const IDS: readonly (string | undefined)[] = ['async_id_symbol', 'trigger_async_id_symbol', 'destroyed']

/** The context of this moment; undefined where the runtime has no such thing. */
export function asyncScope(): AsyncScope | undefined {
  return AsyncResource && new AsyncResource('SockMan')
}

/** Whether two contexts are known to be the same; false where the runtime hides them, as Deno and Bun do. */
export function isSameContext(one: AsyncScope | undefined, other: AsyncScope | undefined): boolean {
  if (!one || !other) return one === other
  const [keys, more] = [contextKeys(one), contextKeys(other)]
  if (!keys || !more) return false
  return [...keys, ...more].every((key) => Object.is(property(one, key), property(other, key)))
}

/** Whether it is known that no storage has anything in that context. */
export function isEmptyContext(scope: AsyncScope): boolean {
  return contextKeys(scope)?.every((key) => property(scope, key) === undefined) ?? false
}

/** The properties in which Node shows the context of a resource; undefined where it is hidden. */
function contextKeys(scope: AsyncScope): symbol[] | undefined {
  const keys = Object.getOwnPropertySymbols(scope).filter(({ description }) => !IDS.includes(description))
  return isNode20() || keys.some(({ description }) => description === FRAME) ? keys : undefined
}

/** Node 20 has no frames, so that its resources show a property only for storages in use. */
function isNode20(): boolean {
  const { node, deno, bun } = process!.versions
  return !deno && !bun && node!.startsWith('20.')
}

function property(scope: AsyncScope, key: symbol): unknown {
  return (scope as unknown as Record<symbol, unknown>)[key]
}
