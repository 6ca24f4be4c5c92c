// An eventfd that ends a wait from any thread.
#pragma once

#include <algorithm>

#include "deadlines.h"
#include "fd.h"
#include "result.h"
#include "sys/wait.h"

namespace sockman {

class Wakeup {
 public:
  static Result<Wakeup> open() {
    const int fd = sys::eventfd();
    if (fd < 0) return Failure::of(fd, "eventfd");
    return Wakeup(Fd(fd));
  }
  int fd() const { return fd_.get(); }
  /// Any thread. What is refused would be one signal too many: there are some already.
  void signal() const { sys::ignored(sys::signal(fd_.get())); }
  /// Takes all signals so far; there may be none.
  void clear() const { sys::ignored(sys::takeSignals(fd_.get())); }

  /// For who waits by a mechanism that is refused now, for lack of memory: blocks until a signal, the deadline, or the
  /// time to ask again, so that a shortage is not met by a spin. One descriptor needs no memory (poll(2)). Takes the
  /// signals: one that stays would end the next call at once, and this would spin after all.
  void awaitInstead(Time deadline) const {
    sys::awaitSignal(fd(), millisecondsUntil(std::min(deadline, now() + kAskAgain)));
    clear();
  }

 private:
  explicit Wakeup(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace sockman
