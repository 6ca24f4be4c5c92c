import { fork } from 'node:child_process'
import { BenchError } from '../errors'
import { TRIAL } from '../paths'
import { endOf } from '../server/helper'
import type { DownloadPlan, DownloadResult } from './download'

/** What a trial's process is sent. */
export interface TrialTask {
  /** Text of the row. */
  readonly row: string
  readonly plan: DownloadPlan
}

/** @property row what really ran */
export type TrialResult = DownloadResult & { readonly row: string }

/** What it answers. */
export type TrialMessage =
  | { type: 'note'; line: string }
  | { type: 'result'; result: TrialResult }
  | { type: 'error'; message: string }

/**
 * Runs one trial in a process of its own.
 *
 * @param abort kills it
 * @throws BenchError with what the trial said, or how its process ended without a word; the abort's reason
 */
export async function runTrial(
  task: TrialTask,
  note: (line: string) => void,
  abort: AbortSignal,
): Promise<TrialResult> {
  abort.throwIfAborted()
  const child = fork(TRIAL)
  const ended = endOf(child)
  const kill = () => child.kill('SIGKILL')
  abort.addEventListener('abort', kill)
  let answer: Exclude<TrialMessage, { type: 'note' }> | undefined
  child.on('message', (message: TrialMessage) => {
    if (message.type === 'note') note(message.line)
    else answer = message
  })
  child.send(task, () => {}) // a child that ends at once is told by `ended`
  const end = await ended
  abort.removeEventListener('abort', kill)
  abort.throwIfAborted()
  if (!answer) throw new BenchError(`the process of the trial ended without a result: ${end}`)
  if (answer.type === 'error') throw new BenchError(answer.message)
  return answer.result
}
