import process from 'node:process'
import type { Step } from './measure'

/** Shows how far a measurement is, on stderr: one line that changes on a terminal, elsewhere a line per trial. */
export class Progress implements Disposable {
  readonly #terminal = process.stderr.isTTY

  readonly step = ({ row, number, total }: Step): void => {
    const text = `measuring ${number} of ${total}: ${row}`
    process.stderr.write(this.#terminal ? `\r\x1b[K${text}` : `${text}\n`)
  };

  [Symbol.dispose](): void {
    if (this.#terminal) process.stderr.write('\r\x1b[K')
  }
}
