// Deadlines, one ordered set for all owners (docs/native.md, N10). Used by one thread, whichever runs what
// has the deadlines.
#pragma once

#include <ctime>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

#include "narrow.h"

namespace sockman {

/// Nanoseconds of CLOCK_MONOTONIC.
using Time = int64_t;
constexpr Time kNever = INT64_MAX;
constexpr Time kMillisecond = 1'000'000;
/// After which a mechanism that was refused is asked again (docs/native.md, N66).
constexpr Time kAskAgain = 20 * kMillisecond;

inline Time now() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1'000'000'000LL + ts.tv_nsec;
}

/// Nanoseconds since the Unix epoch.
inline Time today() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return ts.tv_sec * 1'000'000'000LL + ts.tv_nsec;
}

/// Whole milliseconds until `deadline`, rounded up so that it has passed then; -1 for never.
inline int millisecondsUntil(Time deadline) {
  if (deadline == kNever) return -1;
  const Time left = deadline - now();
  return left <= 0 ? 0 : narrow<int>(std::min<Time>((left + kMillisecond - 1) / kMillisecond, 1 << 30));
}

/// At most one deadline per owner, who keeps its place (`Owner::deadline`) so that cancelling leaves nothing
/// behind: an owner that has none is not known here.
template <class Owner>
class Deadlines {
 public:
  using Entries = std::multimap<Time, Owner*>;
  using Place = std::optional<typename Entries::iterator>;

  void set(Owner& owner, Time at) {
    cancel(owner);
    owner.deadline = entries_.emplace(at, &owner);
  }
  void cancel(Owner& owner) {
    if (owner.deadline) entries_.erase(*owner.deadline);
    owner.deadline.reset();
  }

  Time next() const { return entries_.empty() ? kNever : entries_.begin()->first; }
  template <class Visit>
  void expire(Time time, Visit&& visit) {
    while (next() <= time) {
      Owner& owner = *entries_.begin()->second;
      cancel(owner);
      visit(owner);
    }
  }

 private:
  Entries entries_;
};

}  // namespace sockman
