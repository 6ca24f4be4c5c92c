// How every room answers: a count, a descriptor or 0, else a negative errno. `errno` is read here and nowhere else.
#pragma once

#include <cerrno>

#include "faults.h"

namespace sockman::sys {

/// One call, behind its point.
template <class Call>
[[nodiscard]] inline auto once(Point point, Call&& call) -> decltype(call()) {
  if (const int error = faultAt(point)) return -error;
  const auto result = call();
  return result < 0 ? -errno : result;
}

/// The same for a call that a signal may end before it did anything: it is made again (C38).
template <class Call>
[[nodiscard]] inline auto restarted(Point point, Call&& call) -> decltype(call()) {
  for (;;) {
    const auto result = once(point, call);
    if (result != -EINTR) return result;
  }
}

/// For a call whose answer changes nothing. Where this stands, a comment says why that is right.
template <class Answer>
inline void ignored(const Answer&) {}

}  // namespace sockman::sys
