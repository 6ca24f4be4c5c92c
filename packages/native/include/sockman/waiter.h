// Waits without blocking JavaScript: one thread for all waits of an environment, which sleeps in the poller
// (docs/native.md, N51).
#pragma once

#include <mutex>

#include "doorbell.h"
#include "roles.h"
#include "sys/thread.h"
#include "wait_set.h"

namespace sockman {

/// `run` is its thread, which drives no loop and has neither role.
template <class Poller>
class Waiter {
 public:
  /// Starts the thread; `delivery` is called when waits have ended, to `take` them.
  static Result<std::unique_ptr<Waiter>> start(Delivery& delivery) SOCKMAN_REQUIRES(javascriptThread) {
    auto set = WaitSet<Poller>::open();
    if (!set) return set.failure();
    auto bell = Doorbell::open(delivery.env(), delivery);
    if (!bell) return bell.failure();
    auto waiter = std::unique_ptr<Waiter>(new Waiter(std::move(*set), delivery.env(), *bell));
    // After the doorbell: hooks run last in, first out, so the thread is gone before the doorbell is.
    if (const int error = sys::addCleanupHook(waiter->env_, cleanUp, waiter.get()))
      return Failure{error, "napi_add_env_cleanup_hook"};
    if (auto failure = waiter->thread_.start("sockman-wait", [raw = waiter.get()] { raw->run(); }))
      return *failure;
    return waiter;
  }
  ~Waiter() {
    stop();
    if (!bell_) return;
    bell_->close();
    napi_remove_env_cleanup_hook(env_, cleanUp, this);
  }

  void begin(std::unique_ptr<Wait> wait) SOCKMAN_REQUIRES(javascriptThread) { post({std::move(wait), 0}); }
  void cancel(uint64_t token) SOCKMAN_REQUIRES(javascriptThread) { post({nullptr, token}); }
  /// Those that have ended since, for the caller to keep.
  void take(Waits& ended) SOCKMAN_REQUIRES(javascriptThread) {
    std::lock_guard lock(mutex_);
    ended.swap(ended_);
  }
  void keepAlive(bool alive) SOCKMAN_REQUIRES(javascriptThread) { bell_->keepAlive(env_, alive); }
  /// Joins the thread. Waits under way never end; no descriptor is in use. Again: harmless.
  void stop() SOCKMAN_REQUIRES(javascriptThread) {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    set_->wake();
    thread_.join();
    set_.reset();
  }

 private:
  struct Command {
    std::unique_ptr<Wait> begin;
    uint64_t cancel;
  };

  Waiter(std::unique_ptr<WaitSet<Poller>> set, napi_env env, Doorbell* bell)
      : env_(env), bell_(bell), set_(std::move(set)) {}

  /// The environment ends: the doorbell with it, right after this.
  static void cleanUp(void* data) {
    javascriptThread.assertHeld();
    auto* waiter = static_cast<Waiter*>(data);
    waiter->stop();
    std::exchange(waiter->bell_, nullptr)->close();
  }

  /// Only the first of a batch wakes: the thread empties the queue after the wake that it has taken, under
  /// the lock, so who finds the queue filled knows that a wake is still to be answered.
  void post(Command command) SOCKMAN_REQUIRES(javascriptThread) {
    bool first;
    {
      std::lock_guard lock(mutex_);
      first = posted_.empty();
      posted_.push_back(std::move(command));
    }
    if (first && set_) set_->wake();
  }

  void run() {
    std::vector<Command> commands;
    Waits ended;
    for (;;) {
      {
        std::lock_guard lock(mutex_);
        if (stopping_) return;
        commands.swap(posted_);
      }
      for (Command& command : commands) {
        if (command.begin)
          set_->begin(std::move(command.begin));
        else
          set_->cancel(command.cancel);
      }
      commands.clear();
      set_->run(ended);
      if (ended.empty()) continue;
      {
        std::lock_guard lock(mutex_);
        for (auto& wait : ended) ended_.push_back(std::move(wait));
      }
      ended.clear();
      bell_->ring();
    }
  }

  napi_env env_;
  Doorbell* bell_;
  std::unique_ptr<WaitSet<Poller>> set_;  // the thread's while it runs
  std::mutex mutex_;
  std::vector<Command> posted_;  // these three: under the lock
  Waits ended_;
  bool stopping_ = false;
  sys::Thread thread_;
};

}  // namespace sockman
