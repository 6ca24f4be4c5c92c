export { type NativeBackendSpec, nativeBackend } from './native-backend'
