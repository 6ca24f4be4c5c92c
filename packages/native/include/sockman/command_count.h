// How far the driving thread has come with what the JavaScript thread asked of it.
#pragma once

#include <atomic>
#include <cstdint>

#include "check.h"
#include "roles.h"

namespace sockman {

/// Commands posted and commands executed, by which slots know when a late command cannot come any more
/// (docs/native.md, N32). Commands are executed in the order of their posting, so "the first n are executed"
/// is one comparison. Nobody waits for the count, and nobody is woken.
///
/// Happens-before: the driving thread stores `executed_` (release) when it has executed a whole batch and
/// holds no command of that batch any more; the JavaScript thread loads it (acquire) before it gives a slot
/// to a new owner. What the driving thread did to the former owner's object came before the `closed` record
/// already, and late commands look at the roster only: with this pair the new owner's construction comes
/// after those looks as well.
class CommandCount {
 public:
  /// One more command is in the queue. Not for a command that an ended drive drops, which is never executed.
  void post() SOCKMAN_REQUIRES(javascriptThread) { posted_++; }
  /// All commands so far.
  uint64_t posted() const SOCKMAN_REQUIRES(javascriptThread) { return posted_; }
  /// Whether the first `count` commands are executed.
  bool executed(uint64_t count) const SOCKMAN_REQUIRES(javascriptThread) {
    return executed_.load(std::memory_order_acquire) >= count;
  }
  /// The first `count` commands are executed: what only these could reach is the JavaScript thread's alone,
  /// as if it drove. To clang that is the whole of the driving thread's role, so this is called last, where
  /// such an object is made anew.
  void assertExecuted(uint64_t count) const SOCKMAN_REQUIRES(javascriptThread)
      SOCKMAN_ASSERTS(drivingThread) {
    SOCKMAN_CHECK(executed(count));
  }
  /// `count` more commands are executed.
  void execute(uint64_t count) SOCKMAN_REQUIRES(drivingThread) {
    executed_.store(executed_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }

 private:
  uint64_t posted_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  std::atomic<uint64_t> executed_{0};
};

}  // namespace sockman
