// The end of a helper process that cannot go on: one line on stderr, exit code 1.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

[[noreturn]] inline void Fatal(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

/** With the text of errno. */
[[noreturn]] inline void FatalErrno(const char* call) {
  std::fprintf(stderr, "%s: %s (%d)\n", call, std::strerror(errno), errno);
  std::exit(1);
}

}  // namespace bench
