// One heap of deadlines per loop (NATIVE 10). Owned by the driving thread.
#pragma once

#include <ctime>

#include <algorithm>
#include <cstdint>
#include <queue>
#include <vector>

namespace sockman {

/// Nanoseconds of CLOCK_MONOTONIC.
using Time = int64_t;
constexpr Time kNever = INT64_MAX;
constexpr Time kMillisecond = 1'000'000;

inline Time now() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1'000'000'000LL + ts.tv_nsec;
}

/// Whole milliseconds until `deadline`, rounded up so that it has passed then; -1 for never.
inline int millisecondsUntil(Time deadline) {
  if (deadline == kNever) return -1;
  const Time left = deadline - now();
  return left <= 0 ? 0 : static_cast<int>(std::min<Time>((left + kMillisecond - 1) / kMillisecond, 1 << 30));
}

/// Entries are cancelled by moving their owner's token on; stale ones are dropped as they surface.
template <class Owner>
class Deadlines {
 public:
  void set(Owner& owner, Time at) { heap_.push({at, ++owner.deadlineToken, &owner}); }
  void cancel(Owner& owner) { ++owner.deadlineToken; }

  Time next() {
    dropStale();
    return heap_.empty() ? kNever : heap_.top().at;
  }
  template <class Visit>
  void expire(Time time, Visit&& visit) {
    while (next() <= time) {
      Owner& owner = *heap_.top().owner;
      heap_.pop();
      visit(owner);
    }
  }

 private:
  struct Entry {
    Time at;
    uint32_t token;
    Owner* owner;
    bool operator<(const Entry& other) const { return at > other.at; }
  };

  void dropStale() {
    while (!heap_.empty() && heap_.top().token != heap_.top().owner->deadlineToken) heap_.pop();
  }
  std::priority_queue<Entry> heap_;
};

}  // namespace sockman
