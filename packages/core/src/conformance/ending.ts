import assert from 'node:assert/strict'
import { type Case, needsDescriptors, needsProcess } from './harness'

/** Where a process may be when it ends. */
const STAGES = [
  'created',
  'listening',
  'connecting',
  'failing',
  'sending',
  'receiving',
  'behind',
  'stopping',
] as const
/** How it may end, and its exit code then. */
const MANNERS = { exit: 7, uncaught: 1, terminate: 9 } as const

/** C10–C12: the SockMan and the life of its process. */
export const ending: readonly Case[] = [
  {
    title: 'C10 a listener or a connection keeps the process alive',
    skip: (facts) => needsDescriptors(facts) ?? needsProcess(facts),
    async run(trial) {
      const keeps = async (scenario: string): Promise<void> => {
        const child = trial.child(scenario)
        const address = await child.line()
        await trial.network.sleep(300)
        assert.ok(child.running, `${scenario}: the process has ended`)
        const peer = await trial.network.connect(address)
        await peer.send(Buffer.from('enough'))
        assert.deepEqual(await child.end, { code: 7, signal: null, stderr: '' })
        peer.destroy()
      }
      await Promise.all(['alive-listening', 'alive-connected'].map(keeps))
    },
  },
  {
    title: 'C10 unref() lets the process go, and a SockMan that is idle or stopped never holds it',
    skip: needsProcess,
    async run(trial) {
      const scenarios = [
        'gone-created',
        'gone-unref',
        'gone-unref-connected',
        'gone-unref-sending',
        'gone-closed',
        'gone-stopped',
      ]
      await Promise.all(
        scenarios.map(async (scenario) => {
          const child = trial.child(scenario)
          assert.deepEqual([scenario, await child.end], [scenario, { code: 0, signal: null, stderr: '' }])
        }),
      )
    },
  },
  {
    title: 'C11 ended at any stage the process ends with its own exit code',
    skip: needsProcess,
    deadline: [40_000, 600_000],
    async run(trial) {
      const runs = Object.entries(MANNERS).flatMap(([manner, code]) =>
        STAGES.map((stage) => ({ stage, manner, code })),
      )
      const queue = Array.from({ length: trial.size(1, 11) }, () => runs).flat()
      const worker = async (): Promise<void> => {
        for (let run = queue.pop(); run; run = queue.pop()) {
          const child = trial.child('end', run.stage, run.manner)
          const { code, signal, stderr } = await child.end
          assert.deepEqual({ ...run, signal: null }, { ...run, code, signal }, stderr)
          assert.equal(stderr.includes('reached'), true, `${run.stage} was not reached: ${stderr}`)
        }
      }
      await Promise.all([worker(), worker()])
    },
  },
  {
    title: 'C12 SockMans in the main thread and in workers are independent',
    skip: needsProcess,
    async run(trial) {
      const child = trial.child('workers')
      assert.equal(await child.line(), 'echoed in main, 1, 2')
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
    },
  },
]
