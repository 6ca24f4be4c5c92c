import { type NativeBackend, nativeBackend } from '@sockman/native'

const FORBIDDEN: ReadonlySet<string> = new Set([
  'EPERM',
  'EACCES',
  'ENOSYS',
  'ERR_FILTER_KILLS',
  'ERR_FILTER_STALLS',
])

const isOwn = (syscall: string) => syscall.startsWith('io_uring_')

/** io_uring(7): completions, multishot requests and buffers that the kernel picks. Kernel 6.0 or newer. */
export const backend: NativeBackend = nativeBackend({
  name: 'iouring',
  url: import.meta.url,
  whenNotBuilt:
    'install liburing-dev (apt-get install -y liburing-dev), then run npm rebuild @sockman/backend-iouring',
  whenRefused: ({ code, syscall }) => {
    if (!isOwn(syscall)) return undefined
    if (FORBIDDEN.has(code)) {
      return {
        caution: 'administrators often disable io_uring for security',
        remedy:
          'where it may be allowed, let the seccomp profile of the container pass io_uring_setup, ' +
          'io_uring_enter and io_uring_register, and set the sysctl kernel.io_uring_disabled to 0',
      }
    }
    if (code === 'ENOMEM') {
      return {
        remedy:
          'raise the limit of locked memory (ulimit -l, LimitMEMLOCK= of systemd, --ulimit memlock= of a container): ' +
          'rings count towards it, about 256 KiB for each SockMan, of all processes of the user together',
      }
    }
    return { remedy: 'run a newer kernel: this one lacks what is used (6.0 or newer is needed)' }
  },
  // The other engines need no locked memory.
  lacksAlone: ({ code, syscall }) => code === 'ENOMEM' && isOwn(syscall),
  oftenFiltered: true,
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
    multishot: true,
    providedBuffers: true,
  },
})
