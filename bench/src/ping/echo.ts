// The child process of one ping trial: sends back whatever comes in, over the row under test, until its
// parent goes.
import { SockAddr } from '@sockman/core'
import { openTransport, parseBenchRow } from '../rows/row'
import { ownUsage } from '../server/companion'
import type { EchoMessage, EchoQuestion } from './echo-process'

const tell = (message: EchoMessage) => process.send!(message)

process.once('disconnect', () => process.exit())

process.on('message', async (question: EchoQuestion) => {
  if (question.type === 'usage') {
    tell({ type: 'usage', ...ownUsage() })
    return
  }
  try {
    const transport = await openTransport(parseBenchRow(question.row))
    const address = await transport.listen(SockAddr.parse('127.0.0.1:0'), (connection, chunk) =>
      transport.send(connection, chunk),
    )
    tell({ type: 'listening', address: String(address), row: transport.row })
  } catch (error) {
    tell({ type: 'error', message: (error as Error).message })
  }
})
