{
  # Every addon once more, with fault points (C76): for tests in a checkout, reached through SOCKMAN_ADDONS.
  'includes': ['../../packages/native/engine.gypi'],
  'variables': {
    'have_liburing%': '<!(node ../../packages/backend-iouring/have-liburing.cjs)',
  },
  'target_defaults': {
    'defines': ['SOCKMAN_FAULTS'],
    'cflags_cc!': ['-O3'],
    'cflags_cc': ['-O1'],
  },
  'targets': [
    {'target_name': 'select', 'sources': ['../../packages/backend-select/src/addon.cc']},
    {'target_name': 'poll', 'sources': ['../../packages/backend-poll/src/addon.cc']},
    {'target_name': 'epoll', 'sources': ['../../packages/backend-epoll/src/addon.cc']},
    {
      'target_name': 'iouring',
      'conditions': [
        ['have_liburing == "yes"', {
          'sources': [
            '../../packages/backend-iouring/src/addon.cc',
            '../../packages/backend-iouring/src/iouring_engine.cc',
          ],
          'libraries': ['-l:liburing.a'],
          'defines': ['SOCKMAN_LIBURING_VERSION="<!(node ../../packages/backend-iouring/have-liburing.cjs version)"'],
        }, {'type': 'none'}],
      ],
    },
    {
      'target_name': 'libuv',
      'product_name': 'libuv',
      'sources': [
        '../../packages/backend-libuv/src/addon.cc',
        '../../packages/backend-libuv/src/libuv_engine.cc',
      ],
      'ldflags': ['-Wl,-z,now'],
    },
  ],
}
