export { AbortWatch } from './abort-watch'
export { type AddressFamily, type AddressInput, SockAddr } from './address'
export type { Backend, ProbeResult } from './backend'
export { type Bytes, bytesOf, copyOf, lengthOf, memoryOf, type Sendable, viewOf } from './bytes'
export type { Capabilities, Drive } from './capabilities'
export {
  type ConnectionMessage,
  channels,
  type ListenerMessage,
  type SelectionMessage,
  type WarningMessage,
} from './diagnostics'
export {
  describe,
  errnoName,
  errnoOf,
  invalidArgument,
  ioErrorIsPermanent,
  isResourceError,
  networkErrorString,
  SockError,
  type SockErrorFields,
} from './errors'
export { Fifo } from './fifo'
export { type ConnectionHandlers, checkEvents, Handlers, ReadHandlers } from './handlers'
export { type BellFoundry, type SharedInterrupt, ThreadInterrupt } from './interrupt'
export { isObject } from './objects'
export {
  type AddressList,
  type ConnectionOptions,
  type ConnectOptions,
  definedOptions,
  FLUSH_TIMEOUT,
  type LimitOptions,
  type ListenOptions,
  type LiveOptions,
  type ResolvedConnectionOptions,
  type ResolvedConnectOptions,
  type ResolvedLimits,
  type ResolvedListenOptions,
  type ResolvedLiveOptions,
  type ResolvedSockManOptions,
  type ResolvedTcpOptions,
  resolveCloseOptions,
  resolveConnectionOptions,
  resolveConnectOptions,
  resolveListenOptions,
  resolveLiveOptions,
  resolveRejected,
  resolveSendOptions,
  resolveSockManOptions,
  resolveStopOptions,
  type SockManOptions,
  SPARE_SEND,
  type TcpOptions,
} from './options'
export { isReceiveMemory, markReceiveMemory } from './receive-memory'
export { aborted, checkId, queueFull, stopped, unknownConnection } from './refusals'
export { takeDescriptor } from './releasing'
export { formatRow, parseRow, parseSize, type Row, rowOptions, settingsOf } from './row'
export {
  type Candidate,
  type Choice,
  type Requirements,
  type SelectOptions,
  selectBackend,
} from './select-backend'
export { type Accepted, type ConnectedResult, type Events, type EventsPerSock, Sock } from './sock'
export * from './sock/constants'
export type { SockFactory } from './sock/factory'
export type { SockHost, WaitRequest } from './sock/host'
export type {
  RecvUntilTerminatorOptions,
  SendCompleteOptions,
  StopSignal,
  WaitOptions,
} from './sock/options'
export type {
  CloseOptions,
  ConnectionId,
  ConnectionStats,
  EventName,
  Listener,
  Rejection,
  Releasable,
  SelectionReport,
  SendOptions,
  SockMan,
  SockManEvents,
  Stats,
  StopOptions,
} from './sock-man'
export { isUnsupported, remedyFor, type Unavailable, unavailableError } from './unavailable'
