// A value, or the errno and the name of the call that failed.
#pragma once

#include <optional>
#include <utility>

#include "narrow.h"

namespace sockman {

struct Failure {
  int error;            // positive errno
  const char* syscall;  // static string
  int descriptor = -1;  // a descriptor at or beyond the engine's limit: no call has failed

  /// Of a call that answered a negative errno.
  static Failure of(long answer, const char* syscall) { return {narrow<int>(-answer), syscall}; }
  static Failure unwatchable(int fd) { return {0, "", fd}; }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Failure failure) : failure_(failure) {}

  explicit operator bool() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  T* operator->() { return &*value_; }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return &*value_; }
  const Failure& failure() const { return failure_; }

 private:
  std::optional<T> value_;
  Failure failure_{0, ""};
};

}  // namespace sockman
