import type { SockManEvents } from '../sock-man'

const ignore = (): void => {}

/** The handlers of an events object, read once, each bound to that object. */
export class Handlers {
  readonly onAccepted: NonNullable<SockManEvents['onAccepted']>
  readonly onConnected: NonNullable<SockManEvents['onConnected']>
  readonly onConnectFailed: NonNullable<SockManEvents['onConnectFailed']>
  readonly onData: NonNullable<SockManEvents['onData']>
  readonly onReadyToSend: NonNullable<SockManEvents['onReadyToSend']>
  readonly onClosed: NonNullable<SockManEvents['onClosed']>
  readonly onBatchEnd: NonNullable<SockManEvents['onBatchEnd']>
  /** Without one the connection is SockMan's to close (C63). */
  readonly onEof: SockManEvents['onEof']
  readonly onError: SockManEvents['onError']

  constructor(events: SockManEvents) {
    this.onAccepted = events.onAccepted?.bind(events) ?? ignore
    this.onConnected = events.onConnected?.bind(events) ?? ignore
    this.onConnectFailed = events.onConnectFailed?.bind(events) ?? ignore
    this.onData = events.onData?.bind(events) ?? ignore
    this.onReadyToSend = events.onReadyToSend?.bind(events) ?? ignore
    this.onClosed = events.onClosed?.bind(events) ?? ignore
    this.onBatchEnd = events.onBatchEnd?.bind(events) ?? ignore
    this.onEof = events.onEof?.bind(events)
    this.onError = events.onError?.bind(events)
  }
}
