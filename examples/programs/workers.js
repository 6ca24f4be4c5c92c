// One port, many threads: each has a SockMan of its own, and the kernel deals the connections out among them.
//
//     node examples/programs/workers.js [address] [threads]
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, threadId, Worker } from 'node:worker_threads'
import { createSockMan } from 'sockman'

/** What each thread does: an echo that says first which thread it is. */
async function serve(/** @type {string} */ address) {
  const man = await createSockMan(
    {
      // With `void`: an answer of false would refuse the connection.
      onAccepted: (id) => void man.send(id, `thread ${threadId}\n`),
      onData(id, data) {
        if (!man.send(id, data)) man.pause(id)
      },
      onReadyToSend: (id) => man.resume(id),
      onEof: (id) => void man.close(id, { flush: true }),
    },
    // So many peers who do not read stay below `sendTotalMax`, beyond which `send` throws.
    { maxConnections: 500 },
  )
  return { man, listener: man.listen(address, { reusePort: true }) }
}

/** Starts the threads. Resolves when all listen, with the address and a way to stop them. */
async function start(/** @type {string} */ address, /** @type {number} */ count) {
  /** @type {Worker[]} */
  const workers = []
  let real = address
  // One after the other: with port 0 the first gets a port, and the others listen on the same.
  while (workers.length < count) {
    const worker = new Worker(new URL(import.meta.url), { argv: [real] })
    workers.push(worker)
    const [listening] = await once(worker, 'message')
    real = listening
  }
  const ended = Promise.all(workers.map((worker) => once(worker, 'exit')))
  const stop = async () => {
    for (const worker of workers) worker.postMessage('stop')
    await ended
  }
  return { address: real, stop }
}

if (import.meta.filename === process.argv[1]) {
  const [address = '127.0.0.1:7007', count = availableParallelism()] = process.argv.slice(2)
  if (isMainThread) {
    const workers = await start(address, Number(count))
    console.log(`${count} threads listen on ${workers.address}`)
    // A second signal ends the process at once, as if there was no handler.
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, workers.stop)
  } else {
    const { man, listener } = await serve(address)
    parentPort?.postMessage(`${listener.address}`)
    // The message is the last thing that a thread waits for: it ends when its SockMan has stopped.
    parentPort?.once('message', () => man.stop({ flush: true, timeout: 10_000 }))
  }
}
