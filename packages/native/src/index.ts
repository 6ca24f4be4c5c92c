export { type NativeBackend, type NativeBackendSpec, nativeBackend } from './native-backend'
export type { NativeSock } from './native-sock'
