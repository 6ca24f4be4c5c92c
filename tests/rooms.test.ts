import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { backendNames } from '../scripts/workspace.mjs'
import { backends } from './rows'

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const HEADERS = 'packages/native/include/sockman'

/** Where calls are made: the rooms. `rehearsal.h` and its lists of calls are met by real filters (cage.test.ts). */
const ROOM = /\/sys\/|\/(sys_(uring|uv)|rehearsal|(iouring|poll|select)_calls)\.h$/

/** The C++ sources that every call of the native half stands in, but for the rooms. */
const sources = [HEADERS, ...backendNames().map((name) => `packages/backend-${name}/src`)].flatMap((folder) =>
  readdirSync(at(folder), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file}`)
    .filter((file) => /\.(cc|h)$/.test(file) && !ROOM.test(file)),
)

/** What is refused nothing with valid arguments, or not in a way that could be handled, each as docs/native.md says (N64). */
const NEVER_REFUSED = new RegExp(
  `^(${[
    // Reads or writes memory that the ring shares with the kernel, or gives it back.
    'io_uring_(prep_\\w+|get_sqe|sq_ready|sq_space_left|cq_ready|cq_advance|cqe_seen|peek_cqe|for_each_cqe)',
    'io_uring_(buf_ring_\\w+|unregister_buf_ring|queue_exit)',
    // Handles without a descriptor, questions, and what ends one.
    'uv_(timer|prepare|check|idle)_(init|start|stop)',
    'uv_(tcp|pipe)_init|uv_(poll|read)_stop|uv_(close|loop_close|ref|unref|run|is_active|update_time)',
    'uv_(async_send|backend_fd|buf_init|version_string|stream_get_write_queue_size)',
    // Questions, what gives back, and calls into JavaScript, whose exception is looked for afterwards.
    'napi_(delete_reference|reference_(ref|unref)|remove_\\w+_hook|async_destroy|(ref|unref|release|call)_threadsafe_function)',
    'napi_(open|close)_handle_scope|napi_get_(typedarray_info|reference_value|global|and_clear_last_exception)',
    'napi_((create|get_value)_uint32|is_exception_pending|fatal_exception|call_function|make_callback|create_string_utf8)',
  ].join('|')})$`,
)
const CALLS = [
  /(?<![\w>:])::([a-z_]\w*)\s*\(/g,
  /(?<![\w:.])(io_uring_\w+|uv_\w+|napi_\w+|pthread_\w+)\s*\(/g,
  /(?<![\w:.>])(fcntl|ioctl|setsockopt|getsockopt|getsockname|getpeername|sendmsg|mmap|munmap|malloc)\s*\(/g,
  /\b(std::thread|std::jthread|std::async)\b/g,
  /(?<![\w"])(errno)\b(?!")/g,
]

const code = (file: string) =>
  readFileSync(at(file), 'utf8')
    .replace(/\/\/.*$/gm, '')
    .replace(/"(\\.|[^"\\])*"/g, '""')

describe('the room of system calls (N64)', () => {
  test('no call that can be refused is made outside of it', () => {
    const outside = sources.flatMap((file) =>
      CALLS.flatMap((call) =>
        [...code(file).matchAll(call)]
          .map(([, name]) => name!)
          .filter((name) => !NEVER_REFUSED.test(name))
          .map((name) => `${file}: ${name}`),
      ),
    )
    expect(outside).toEqual([])
  })

  test('no number is cut by a cast: narrow.h asserts that it fits (N72)', () => {
    const cuts = /static_cast<(u?int(8|16|32)_t|unsigned|int|short|char|socklen_t|mode_t)>/
    const cutting = sources.filter((file) => !file.endsWith('/narrow.h') && cuts.test(code(file)))
    expect(cutting).toEqual([])
  })

  test('what a room answers cannot be left unread', () => {
    const rooms = readdirSync(at(`${HEADERS}/sys`))
      .map((file) => `${HEADERS}/sys/${file}`)
      .concat('packages/backend-iouring/src/sys_uring.h', 'packages/backend-libuv/src/sys_uv.h')
    const unmarked = rooms.flatMap((file) =>
      [
        ...code(file).matchAll(/^(?:inline |template <[^>]*>\n)(?:auto|int|ssize_t|void\*|T\*) (\w+)\(/gm),
      ].map(([, name]) => `${file}: ${name}`),
    )
    // Those two look at what was answered.
    expect(unmarked.filter((each) => !/: (faultAt|errorOf)$/.test(each))).toEqual([])
  })

  for (const backend of backends) {
    test(`the addon of ${backend.name} has no fault point, the one of the tests has`, (context) => {
      const probe = backend.probe()
      if (!probe.available && probe.reason === 'ERR_NOT_BUILT') context.skip(probe.message)
      const has = (path: string) =>
        /uring_setup\0|epoll_create\0|FaultSwitch/.test(readFileSync(at(path), 'latin1'))
      const points = (path: string) => readFileSync(at(path), 'latin1').includes('no fault point')
      const released = `packages/backend-${backend.name}/build/Release/${backend.name}.node`
      const faulty = `tests/faults/build/Release/${backend.name}.node`
      expect([points(released), points(faulty)]).toEqual([false, true])
      expect(readFileSync(at(released), 'latin1')).not.toContain('faults')
      expect(has(faulty)).toBe(true)
    })
  }
})
