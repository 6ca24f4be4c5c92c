{
  # A program, not an addon: the native half without Node and without sockets.
  'target_defaults': {
    'include_dirs': ['../packages/native/include'],
    'cflags': ['-Wall', '-Wextra', '-Wno-missing-field-initializers', '-O1', '-g'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++20'],
  },
  'targets': [{
    'target_name': 'loop-test',
    'type': 'executable',
    'product_extension': '',
    'sources': ['native/loop/main.cc', 'native/loop/slots_test.cc', 'native/loop/sock_loop_test.cc'],
  }],
}
