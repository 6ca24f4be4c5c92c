import type { Candidate } from '@sockman/core'
import { candidate } from './candidate'

/**
 * Every engine there is, in the order in which `auto` tries them: io_uring moves most bytes for least CPU; epoll and
 * libuv wait for many connections as cheaply as for few; poll looks at each of them on every wake-up; select does
 * so too, and only below `FD_SETSIZE`.
 *
 * The one list to add an engine to. The imports are literal, so that bundlers see them.
 */
export const candidates: readonly Candidate[] = [
  candidate('iouring', () => import('@sockman/backend-iouring')),
  candidate('epoll', () => import('@sockman/backend-epoll')),
  candidate('libuv', () => import('@sockman/backend-libuv')),
  candidate('poll', () => import('@sockman/backend-poll')),
  candidate('select', () => import('@sockman/backend-select')),
]
