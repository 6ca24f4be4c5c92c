# Included by the binding.gyp of every engine.
{
  'target_defaults': {
    'defines': ['NAPI_VERSION=9', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
    'include_dirs': [
      "<!(node -p \"require('@sockman/native/include').headers\")",
      "<!(node -p \"require('@sockman/native/include').addonApi\")",
    ],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++1y', '-fno-rtti', '-fno-exceptions'],
    'cflags_cc': ['-std=c++20', '-O3', '-Wall', '-Wextra', '-fvisibility=hidden', '-fno-exceptions', '-Wno-missing-field-initializers', '-Wno-cast-function-type', '-Wno-restrict'],
    'ldflags': ['-Wl,--exclude-libs,ALL'],
  },
}
