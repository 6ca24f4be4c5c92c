import { readdirSync, readFileSync } from 'node:fs'
import { release, type } from 'node:os'
import process from 'node:process'

/** What bears on the choice of an engine; null is what this platform does not tell. */
export interface Machine {
  readonly platform: string
  readonly kernel: string
  readonly node: string
  /** The libuv inside Node. */
  readonly libuv: string | null
  /** Most descriptors this process may have open (`RLIMIT_NOFILE`; Infinity is unlimited), and how far it may raise that. */
  readonly descriptors: { readonly soft: number; readonly hard: number } | null
  /** Whether system calls of this process are filtered: `Seccomp` of proc_pid_status(5). */
  readonly seccomp: 'off' | 'strict' | 'filter' | null
  /** The sysctl kernel.io_uring_disabled: 0 allowed, 1 for a group, 2 for nobody; null before kernel 6.6. */
  readonly ioUringDisabled: number | null
  /** Of one core, bytes. */
  readonly l2Cache: number | null
}

/** Of select(2) on Linux, whatever the process's own limit. */
export const FD_SETSIZE = 1024

export function describeMachine(): Machine {
  const disabled = /^\d+/.exec(read('/proc/sys/kernel/io_uring_disabled') ?? '')
  const seccomp = /^Seccomp:\s*(\d)/m.exec(read('/proc/self/status') ?? '')
  return {
    platform: `${process.platform} ${process.arch}`,
    kernel: `${type()} ${release()}`,
    node: process.version,
    libuv: process.versions.uv ?? null,
    descriptors: readDescriptors(),
    seccomp: (seccomp && (['off', 'strict', 'filter'] as const)[Number(seccomp[1])]) ?? null,
    ioUringDisabled: disabled && Number(disabled[0]),
    l2Cache: readL2Cache(),
  }
}

function readDescriptors(): Machine['descriptors'] {
  const match = /^Max open files\s+(\S+)\s+(\S+)/m.exec(read('/proc/self/limits') ?? '')
  const number = (text: string) => (text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text))
  return match && { soft: number(match[1]!), hard: number(match[2]!) }
}

/** Of the first core: sysfs has one folder per cache, `index2` need not be level 2. */
function readL2Cache(): number | null {
  const caches = '/sys/devices/system/cpu/cpu0/cache'
  let folders: string[]
  try {
    folders = readdirSync(caches)
  } catch {
    return null
  }
  const level2 = folders.find((folder) => read(`${caches}/${folder}/level`)?.trim() === '2')
  const size = /^(\d+)K/.exec((level2 && read(`${caches}/${level2}/size`)) ?? '')
  return size && Number(size[1]) * 1024
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
