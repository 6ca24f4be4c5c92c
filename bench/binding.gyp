{
  # Two programs, not addons: gyp builds them because it is here already and finds the compiler Node's addons use.
  "target_defaults": {
    "cflags": ["-Wall", "-Wextra", "-O2"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20"],
  },
  "targets": [
    {
      "target_name": "serve",
      "type": "executable",
      "product_extension": "",
      "sources": ["native/serve.cc", "native/client.cc", "native/block_image.cc", "native/message.cc", "native/sha256.cc"],
    },
    {
      "target_name": "ping-load",
      "type": "executable",
      "product_extension": "",
      "sources": ["native/ping_load.cc"],
    },
  ],
}
