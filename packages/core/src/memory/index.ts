export type {
  ClockMode,
  MemoryHost,
  MemoryNetwork,
  MemoryNetworkOptions,
  MemoryTimer,
  TraceEvent,
  TraceKind,
} from './memory-network'
export { createMemoryNetwork } from './network'
