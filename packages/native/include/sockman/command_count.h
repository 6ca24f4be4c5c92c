// How far the driving thread has come with what the JavaScript thread asked of it.
#pragma once

#include <atomic>
#include <cstdint>

namespace sockman {

/// Commands posted and commands executed. Commands are executed in the order of their posting, so "the first
/// n are executed" is one comparison. Nobody waits for the count and no wake-up belongs to it.
///
/// Happens-before: the driving thread stores `executed_` (release) when it has executed a whole batch and
/// holds no command of that batch any more; the JavaScript thread loads it (acquire) before it gives a slot
/// to a new owner. What the driving thread did to the former owner's object came before the `closed` record
/// already, and late commands look at the roster only: with this pair the new owner's construction comes
/// after those looks as well.
class CommandCount {
 public:
  /// JavaScript thread: one more command is in the queue. Not for a command that an ended drive drops, which
  /// is never executed.
  void post() { posted_++; }
  /// JavaScript thread: all commands so far.
  uint64_t posted() const { return posted_; }
  /// JavaScript thread: whether the first `count` commands are executed.
  bool executed(uint64_t count) const { return executed_.load(std::memory_order_acquire) >= count; }
  /// Driving thread: `count` more commands are executed.
  void execute(uint64_t count) {
    executed_.store(executed_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }

 private:
  uint64_t posted_ = 0;  // the JavaScript thread's
  std::atomic<uint64_t> executed_{0};
};

}  // namespace sockman
