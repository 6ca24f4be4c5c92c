import { AsyncLocalStorage } from 'node:async_hooks'
import type { Stage } from './child'

/** What `child.ts` can run about async contexts. */
export const contextScenarios: Readonly<Record<string, (stage: Stage) => void>> = {
  /** C83: each handler of both ends of a connection throws; prints the contexts that those of each end saw. */
  'exceptions-contexts'({ create }) {
    const storage = new AsyncLocalStorage<string>()
    process.on('uncaughtException', () => {})
    const seen = { near: [] as string[], far: [] as string[] }
    let closed = 0
    const note = (id: number, event: string): never => {
      seen[id === near ? 'near' : 'far'].push(`${event} in ${storage.getStore()}`)
      throw new Error(event)
    }
    const man = storage.run('creation', () =>
      create({
        onAccepted: (id) => note(id, 'accepted'),
        onConnected(id) {
          man.send(id, new Uint8Array(1))
          man.shutdown(id)
          note(id, 'connected')
        },
        onData: (id) => note(id, 'data'),
        onEof(id) {
          man.close(id)
          note(id, 'eof')
        },
        onClosed(id) {
          if (++closed === 2) setImmediate(report)
          note(id, 'closed')
        },
      }),
    )
    const report = (): void => {
      console.log([...seen.near, ...seen.far].join(', '))
      void man.stop()
    }
    const { address } = storage.run('listen', () => man.listen('127.0.0.1:0'))
    const near = storage.run('connect', () => man.connect(address))
  },
}
