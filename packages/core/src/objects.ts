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

/**
 * Whether `value` can be used as an AbortSignal: a signal of the platform, or of another realm or a library, which has the
 * same members (jsdom's is no AbortSignal of Node's). The getters of a signal are code of the caller's.
 */
export function isSignal(value: unknown): value is AbortSignal {
  if (!isObject(value)) return false
  if (has(AbortSignal.prototype, 'aborted', value)) return true
  try {
    const { aborted, addEventListener, removeEventListener } = value as AbortSignal
    return (
      typeof aborted === 'boolean' &&
      typeof addEventListener === 'function' &&
      typeof removeEventListener === 'function'
    )
  } catch (error) {
    // The platform's own getter refuses what only has the prototype of a signal.
    if (error instanceof TypeError && isInstance(value, AbortSignal)) return false
    throw error
  }
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
