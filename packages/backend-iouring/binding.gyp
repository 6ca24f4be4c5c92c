{
  'includes': ['../native/engine.gypi'],
  'variables': {'have_liburing%': '<!(node have-liburing.cjs)'},
  'targets': [{
    'target_name': 'iouring',
    'conditions': [
      ['have_liburing == "yes"', {
        'sources': ['src/addon.cc', 'src/iouring_engine.cc'],
        'libraries': ['-l:liburing.a'],
        'defines': ['SOCKMAN_LIBURING_VERSION="<!(node have-liburing.cjs version)"'],
      }, {'type': 'none'}],
    ],
  }],
}
