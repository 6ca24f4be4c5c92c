{
  'includes': ['../native/engine.gypi'],
  'targets': [{'target_name': 'poll', 'sources': ['src/addon.cc']}],
}
