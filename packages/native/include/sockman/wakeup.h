// An eventfd that ends a wait from any thread.
#pragma once

#include <sys/eventfd.h>

#include "fd.h"
#include "result.h"

namespace sockman {

class Wakeup {
 public:
  static Result<Wakeup> open() {
    Fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!fd) return Failure::last("eventfd");
    return Wakeup(std::move(fd));
  }
  int fd() const { return fd_.get(); }
  /// Any thread.
  void signal() const { (void)!eventfd_write(fd_.get(), 1); }
  /// Takes all signals so far.
  void clear() const {
    eventfd_t count;
    (void)!eventfd_read(fd_.get(), &count);
  }

 private:
  explicit Wakeup(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace sockman
