// The process of one trial: a SockMan on the row under test that counts what comes in at one address and sends back what
// comes in at another, until its parent goes.
import process from 'node:process'
import { createSockMan } from '../create-sock-man'
import type { Answer, Question } from './trial-process'

const tell = (answer: Answer) => process.send!(answer)
let bytes = 0

async function open(row: string): Promise<Answer> {
  const man = await createSockMan({}, { backend: row, ignoreEnv: true })
  const sink = man.listen('127.0.0.1:0', {
    events: {
      onData(_, data) {
        bytes += data.length
      },
    },
  })
  const echo = man.listen('127.0.0.1:0', {
    events: {
      onData(id, data) {
        if (!man.send(id, data)) man.pause(id)
      },
      onReadyToSend: (id) => man.resume(id),
      onEof: (id) => void man.close(id, { flush: true }),
    },
  })
  return { type: 'open', row: man.selection.row, sink: `${sink.address}`, echo: `${echo.address}` }
}

// A terminal's Ctrl-C comes here too, but it is the parent that ends this.
process.on('SIGINT', () => {})
process.once('disconnect', () => process.exit())
process.on('message', async (question: Question) => {
  if (question.type === 'count') {
    const { user, system } = process.cpuUsage()
    tell({ type: 'count', bytes, cpu: (user + system) / 1e6, time: performance.now() / 1e3 })
    return
  }
  try {
    tell(await open(question.row))
  } catch (error) {
    tell({ type: 'error', message: (error as Error).message })
  }
})
