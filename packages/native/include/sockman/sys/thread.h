// The room of threads: made with pthread_create, since std::thread throws where there are no exceptions.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <functional>
#include <memory>
#include <utility>

#include "../result.h"
#include "call.h"

namespace sockman::sys {

/// A thread of ours. It gets no signals: they are for the others, here they would only interrupt a wait.
class Thread {
 public:
  Thread() = default;
  Thread(const Thread&) = delete;
  ~Thread() { join(); }

  /// Runs `body`; on failure no thread exists, and it may be tried again.
  /// @param name static, at most 15 characters
  [[nodiscard]] std::optional<Failure> start(const char* name, std::function<void()> body) {
    auto first = std::make_unique<First>(First{name, std::move(body), {}});
    sigset_t all, before;
    sigfillset(&all);
    // With valid arguments, as here, it has no error.
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = faultAt(Point::thread);
    if (!error) error = ::pthread_create(&thread_, nullptr, run, first.get());
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error) return Failure{error, "pthread_create"};
    first.release();
    running_ = true;
    return std::nullopt;
  }
  bool joinable() const { return running_; }
  /// Again: harmless. A thread that is not joined yet, and not the caller, is joined without an error.
  void join() {
    if (std::exchange(running_, false)) ::pthread_join(thread_, nullptr);
  }

 private:
  struct First {
    const char* name;
    std::function<void()> body;
    FaultContext faults;
  };

  static void* run(void* data) {
    const std::unique_ptr<First> first(static_cast<First*>(data));
    first->faults.adopt();
#ifdef __linux__
    // A name is for people: without one the thread works as well.
    ::pthread_setname_np(::pthread_self(), first->name);
#endif
    first->body();
    return nullptr;
  }

  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace sockman::sys
