{
  'includes': ['../native/engine.gypi'],
  'targets': [{'target_name': 'select', 'sources': ['src/addon.cc']}],
}
