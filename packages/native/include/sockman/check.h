// Assertions about the native half's own state, on in every build (docs/native.md, N36).
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
