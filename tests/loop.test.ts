import { describe } from 'vitest'
import { nativeCases } from './native-program'

/** The native half without Node and sockets: `native/loop/`. */
describe('SockLoop over a scripted engine', () => {
  nativeCases('loop-test')
})
