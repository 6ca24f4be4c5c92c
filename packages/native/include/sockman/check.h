// Assertions about the native half's own state. They are on in every build: each is a comparison or two per
// call or record, never per byte, and the state that it forbids would hand one connection's bytes to another.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace sockman {

[[noreturn]] inline void checkFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "sockman: a fault in sockman itself, please report it: %s:%d: %s\n", file, line,
               condition);
  std::abort();
}

}  // namespace sockman

/// Ends the process with a line on stderr when `condition` does not hold.
#define SOCKMAN_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::sockman::checkFailed(#condition, __FILE_NAME__, __LINE__))
