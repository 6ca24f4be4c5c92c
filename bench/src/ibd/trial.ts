// The child process of one trial: takes its task by IPC, downloads, answers, ends.
import { openTransport, parseBenchRow } from '../rows/row'
import { Download } from './download'
import type { TrialMessage, TrialTask } from './trial-process'

const tell = (message: TrialMessage) => new Promise((sent) => process.send!(message, sent))

// After the answer, and when the parent has gone.
process.once('disconnect', () => process.exit())

process.once('message', async ({ row, plan }: TrialTask) => {
  try {
    const transport = await openTransport(parseBenchRow(row))
    const download = new Download(transport, plan, (line) => void tell({ type: 'note', line }))
    const result = await download.run().finally(() => transport.stop())
    await tell({ type: 'result', result: { ...result, row: transport.row } })
  } catch (error) {
    const { name, message, stack } = error as Error
    // A stack only where the cause may be a mistake of ours.
    await tell({
      type: 'error',
      message: name === 'BenchError' || name === 'SockError' ? message : (stack ?? message),
    })
  }
  process.disconnect()
})
