/** An algorithm pauses until one of `events` occurs, at most `timeout` ms; it looks again for itself afterwards. */
export interface Pause {
  readonly events: number
  readonly timeout: number
}

/** An algorithm over a Sock, written once: who drives it decides whether a pause blocks the thread. */
export type Steps<T> = Generator<Pause, T, void>

/** Drives without blocking. A pause that fails is thrown into the algorithm, which knows how far it had come. */
export async function drive<T>(steps: Steps<T>, pause: (pause: Pause) => Promise<void>): Promise<T> {
  let step = steps.next()
  while (!step.done) {
    try {
      await pause(step.value)
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next()
  }
  return step.value
}

/** Drives by blocking the thread in each pause. */
export function driveSync<T>(steps: Steps<T>, pause: (pause: Pause) => void): T {
  let step = steps.next()
  while (!step.done) {
    try {
      pause(step.value)
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next()
  }
  return step.value
}
