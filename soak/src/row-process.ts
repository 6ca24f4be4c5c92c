// One row in a process of its own, which an engine may end: row-process.js ROW SECONDS SEED ROUND-MS, reports by IPC.
import { soakRow } from './row'

const [row, seconds, seed, round] = process.argv.slice(2)
const send = (message: object): Promise<void> =>
  new Promise((resolve) => process.send!(message, undefined, undefined, () => resolve()))

// The command has ended, or was interrupted: nothing is left behind.
process.on('disconnect', () => process.exit())
if (!process.connected) process.exit()
try {
  const report = await soakRow({
    row: row!,
    seconds: Number(seconds),
    seed: Number(seed),
    round: Number(round),
    progress: (progress) => void send({ progress }),
  })
  await send({ report })
} catch (error) {
  await send({
    failure: (error as Error).name === 'SockError' ? (error as Error).message : (error as Error).stack,
  })
}
if (process.connected) process.disconnect()
