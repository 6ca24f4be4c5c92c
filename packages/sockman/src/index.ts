export * from '@sockman/core'
export { type ActivatedSocket, activatedSockets } from './activation'
export { candidates } from './candidates'
export { type CreateOptions, createSockMan } from './create-sock-man'
