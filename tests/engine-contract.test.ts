import { describe } from 'vitest'
import { nativeCases } from './native-program'

/** What each engine owes its client, over real sockets and without Node: `native/engine/`. */
describe('the obligations of an engine', () => {
  nativeCases('engine-contract-test')
})
