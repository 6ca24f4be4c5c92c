import { type NativeBackend, nativeBackend } from '@sockman/native'

/** epoll(7): the kernel keeps the interests and answers with what is ready alone, however many connections there are. */
export const backend: NativeBackend = nativeBackend({
  name: 'epoll',
  url: import.meta.url,
  whenNotBuilt: 'run npm rebuild @sockman/backend-epoll with a C++20 compiler, make and python3 installed',
  whenRefused: ({ code }) => ({
    remedy: code === 'ENOSPC' ? 'raise the sysctl fs.epoll.max_user_watches' : '',
  }),
  supports: {
    drives: ['inline', 'thread'],
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
