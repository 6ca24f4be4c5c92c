/** Whether it is a proxy that was revoked, which throws whatever it is asked. Runs no code of its owner's. */
export function isRevoked(value: unknown): boolean {
  try {
    void Array.isArray(value)
    return false
  } catch {
    return true
  }
}

/** Whether it is an object, no function, that can be asked something. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !isRevoked(value)
}

/** `instanceof` that does not throw for a proxy that was revoked. */
export function isInstance<T>(value: unknown, kind: { readonly prototype: T }): value is T {
  return !isRevoked(value) && value instanceof (kind as abstract new () => T)
}

/** Whether it is a Map itself, of whatever class, not what only has its prototype. */
export function isMap(value: unknown): value is Map<unknown, unknown> {
  return has(Map.prototype, 'size', value)
}

/** Whether the platform takes it for an AbortSignal: what only has the prototype passes `instanceof` too. */
export function isSignal(value: unknown): value is AbortSignal {
  return has(AbortSignal.prototype, 'aborted', value)
}

/** Whether the getter of a prototype answers for the value. */
function has(prototype: object, getter: string, value: unknown): boolean {
  try {
    Reflect.get(prototype, getter, value)
    return true
  } catch {
    return false
  }
}
