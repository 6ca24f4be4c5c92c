import { availableParallelism, cpus, release, totalmem, type } from 'node:os'

/** Where the numbers come from. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly arch: string
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.version,
    arch: process.arch,
  }
}

export function machineLine({ cpu, cores, memoryGiB, kernel, node, arch }: Machine): string {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel} ${arch}, Node ${node}`
}
