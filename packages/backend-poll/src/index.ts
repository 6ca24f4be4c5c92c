import { type NativeBackend, nativeBackend } from '@sockman/native'

/** poll(2): the mechanism of Bitcoin Core's own loop, on a network thread, since it must block. */
export const backend: NativeBackend = nativeBackend({
  name: 'poll',
  url: import.meta.url,
  whenNotBuilt: 'run npm rebuild @sockman/backend-poll with a C++20 compiler, make and python3 installed',
  supports: {
    drives: ['thread'],
    descriptorLimit: null,
    unixSockets: true,
    abstractUnix: true,
    halfClose: true,
    resetWhilePaused: true,
    closeWhilePaused: false,
    zeroCopyReceive: true,
    optimisticSend: true,
    unixReset: true,
    acceptFilterBeforeRead: true,
    foreignClose: true,
    reusePort: true,
    descriptors: true,
    multishot: false,
    providedBuffers: false,
  },
})
