// The shape of a backend's package. Applies only to one that is not installed where this is compiled.
declare module '@sockman/backend-*' {
  import type { Backend } from '@sockman/core'
  export const backend: Backend
}
