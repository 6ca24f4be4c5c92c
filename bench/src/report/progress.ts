import { SingleBar } from 'cli-progress'

/** Shows how far a run is, on stderr: a bar on a terminal, elsewhere a line per step. */
export interface Progress extends Disposable {
  /** The next step begins. */
  step(what: string): void
  /** A line that stays. */
  note(line: string): void
}

/** @param steps in all */
export function startProgress(steps: number): Progress {
  if (!process.stderr.isTTY) {
    return { step: (what) => console.error(what), note: (line) => console.error(line), [Symbol.dispose]() {} }
  }
  const bar = new SingleBar({
    format: '{bar} {value}/{total} {what}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    fps: 1, // each redraw takes CPU of this process, which `rate` measures
  })
  let begun = 0
  bar.start(steps, 0, { what: '' })
  return {
    step: (what) => bar.update(begun++, { what }),
    note(line) {
      process.stderr.write(`\r\x1b[K${line}\n`)
      bar.render()
    },
    [Symbol.dispose]: () => bar.stop(),
  }
}
