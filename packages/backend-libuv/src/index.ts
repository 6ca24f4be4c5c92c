import { type NativeBackend, nativeBackend } from '@sockman/native'

/** libuv: Node's own, on a loop of the network thread's, or inline on Node's loop itself. */
export const backend: NativeBackend = nativeBackend({
  name: 'libuv',
  url: import.meta.url,
  whenNotBuilt: 'run npm rebuild @sockman/backend-libuv with a C++20 compiler, make and python3 installed',
  runtimes: ['node'],
  supports: {
    drives: ['inline', 'thread'],
    descriptorLimit: null,
    unixSockets: true,
    abstractUnix: true,
    halfClose: true,
    // A stream that is not reading is not watched.
    resetWhilePaused: false,
    closeWhilePaused: false,
    zeroCopyReceive: true,
    optimisticSend: true,
    unixReset: true,
    acceptFilterBeforeRead: true,
    // Node's loop cannot take out of its set what has no number any more.
    foreignClose: false,
    reusePort: true,
    descriptors: true,
    multishot: false,
    providedBuffers: false,
  },
})
