// A limit in bytes per second (docs/native.md, N74). Used by one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "deadlines.h"

namespace sockman {

/// A token bucket: in any time t no more than rate * (t + kBurst) bytes go, and a loop that comes late by less than
/// kBurst loses none. What was taken beyond the level is a debt, and nothing goes before the debt is paid.
class Bucket {
 public:
  static constexpr Time kBurst = 100 * kMillisecond;
  /// Fewer bytes than this time brings are not given out: each system call would be for single bytes. Directions that wait
  /// for their own buckets do so until a multiple of this time, so that one wake-up is for all of them.
  static constexpr Time kLeast = 10 * kMillisecond;

  bool limits() const { return rate_ > 0; }
  /// Bytes per second, 0 for no limit. A bucket that limited already keeps its level: a rate that is set again and
  /// again is kept, too. Else it is full.
  void setRate(int64_t rate, Time time) {
    if (limits()) fill(time);
    const double before = limits() ? level_ : HUGE_VAL;
    rate_ = static_cast<double>(rate);
    level_ = std::min(before, most());
    filled_ = time;
  }
  /// Bytes that may go now; 0 where they are too few to be worth while.
  size_t level(Time time) {
    fill(time);
    return level_ < least() ? 0 : static_cast<size_t>(level_);
  }
  void take(size_t bytes) { level_ -= static_cast<double>(bytes); }
  /// When it is worth while to go on, of a bucket that limits.
  Time readyAt() const {
    const double missing = least() - level_;
    if (missing <= 0) return filled_;
    const double wait = std::ceil(missing / rate_ * kSecond) + 1;  // what is rounded is not too early
    return filled_ + static_cast<Time>(std::min(wait, kLongest));
  }
  /// The most that goes at once.
  double most() const { return std::max(1.0, bytesIn(kBurst)); }

 private:
  double least() const { return std::max(1.0, bytesIn(kLeast)); }

  static constexpr double kSecond = 1e9;
  static constexpr double kLongest = 1e18;

  void fill(Time time) {
    level_ = std::min(most(), level_ + bytesIn(std::max<Time>(0, time - filled_)));
    filled_ = std::max(filled_, time);
  }
  double bytesIn(Time time) const { return rate_ * static_cast<double>(time) / kSecond; }

  double rate_ = 0;
  double level_ = 0;  // below 0: the debt
  Time filled_ = 0;   // `level_` is that of this time
};

}  // namespace sockman
