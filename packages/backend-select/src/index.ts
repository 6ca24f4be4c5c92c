import { type NativeBackend, nativeBackend } from '@sockman/native'

/** select(2): for descriptors below `FD_SETSIZE`, on a network thread, since it must block. */
export const backend: NativeBackend = nativeBackend({
  name: 'select',
  url: import.meta.url,
  whenNotBuilt: 'run npm rebuild @sockman/backend-select with a C++20 compiler, make and python3 installed',
  whenRefused: ({ code }) => ({
    remedy:
      code === 'ERR_FD_NOT_SELECTABLE' ? 'create the SockMan while fewer than 1024 descriptors are open' : '',
  }),
  supports: {
    drives: ['thread'],
    descriptorLimit: 1024,
    unixSockets: true,
    abstractUnix: true,
    halfClose: true,
    resetWhilePaused: false,
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
