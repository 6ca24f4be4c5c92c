export * from '@sockman/core'
export { candidates } from './candidates'
export { type CreateOptions, createSockMan } from './create-sock-man'
