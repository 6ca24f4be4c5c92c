import { createMemoryNetwork } from '../../dist/memory/index.js'

/** What the cases that need a process of their own import there. */
export const backend = createMemoryNetwork({ clock: 'auto' }).host()
