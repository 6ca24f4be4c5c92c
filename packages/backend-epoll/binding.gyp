{
  'includes': ['../native/engine.gypi'],
  'targets': [{'target_name': 'epoll', 'sources': ['src/addon.cc']}],
}
