{
  # Programs, not addons: the native half without Node. The second tests the engines over real sockets, each that can be
  # built here. The last one is what a test asks about a socket.
  'variables': {
    'have_liburing%': '<!(node ../packages/backend-iouring/have-liburing.cjs)',
    'have_libuv%': '<!(node have-libuv.cjs)',
  },
  'target_defaults': {
    'include_dirs': ['../packages/native/include'],
    'cflags': ['-Wall', '-Wextra', '-Wno-missing-field-initializers', '-O1', '-g1'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++20'],
  },
  'targets': [{
    'target_name': 'loop-test',
    'type': 'executable',
    'product_extension': '',
    'sources': ['native/main.cc', 'native/loop/event_ring_test.cc', 'native/loop/pacer_test.cc', 'native/loop/slots_test.cc', 'native/loop/sock_loop_test.cc'],
  }, {
    'target_name': 'engine-contract-test',
    'type': 'executable',
    'product_extension': '',
    'include_dirs': [
      '../packages/backend-select/src', '../packages/backend-poll/src', '../packages/backend-epoll/src',
      '../packages/backend-iouring/src', '../packages/backend-libuv/src',
    ],
    'sources': [
      'native/main.cc', 'native/engine/readiness_rows.cc', 'native/engine/iouring_rows.cc',
      'native/engine/libuv_rows.cc',
      'native/engine/accepting_test.cc',
      'native/engine/connecting_test.cc',
      'native/engine/forgetting_test.cc',
      'native/engine/hanging_up_test.cc',
      'native/engine/inside_reports_test.cc',
      'native/engine/lifetime_test.cc',
      'native/engine/random_test.cc',
      'native/engine/receiving_test.cc',
      'native/engine/sending_test.cc',
      'native/engine/starving_test.cc',
      'native/engine/waiting_test.cc',
    ],
    'conditions': [
      ['have_liburing == "yes"', {
        'sources': ['../packages/backend-iouring/src/iouring_engine.cc'],
        'libraries': ['-l:liburing.a'],
        'defines': ['SOCKMAN_LIBURING_VERSION="<!(node ../packages/backend-iouring/have-liburing.cjs version)"'],
      }],
      ['have_libuv == "yes"', {
        'sources': ['../packages/backend-libuv/src/libuv_engine.cc'],
        # The system's libuv with its own header: Node's is of another version.
        'include_dirs/': [['exclude', 'include/node$']],
        'libraries': ['-luv'],
        'defines': ['SOCKMAN_HAVE_LIBUV'],
      }],
    ],
  }, {
    'target_name': 'tcp-options',
    'type': 'executable',
    'product_extension': '',
    'sources': ['native/tcp_options.cc'],
  }],
}
