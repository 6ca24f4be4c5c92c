// A descriptor with one owner.
#pragma once

#include <climits>
#include <utility>

#include "sys/descriptor.h"

namespace sockman {

/// The `kDescriptorLimit` of an engine that watches every descriptor (docs/native.md, N25).
constexpr int kNoDescriptorLimit = INT_MAX;

/// Owns a file descriptor; -1 when empty.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// Gives the descriptor to the caller.
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    // Closing tells of a write that failed, which a socket reports before; the descriptor is gone all the same.
    if (fd_ >= 0) sys::ignored(sys::close(fd_));
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace sockman
