{
  'includes': ['../native/engine.gypi'],
  'targets': [{
    'target_name': 'libuv',
    'product_name': 'libuv',
    'sources': ['src/addon.cc', 'src/libuv_engine.cc'],
    # A runtime without libuv refuses to load it then, instead of ending at the first call.
    'ldflags': ['-Wl,-z,now'],
  }],
}
