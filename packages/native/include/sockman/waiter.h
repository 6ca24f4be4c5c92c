// Waits without blocking JavaScript: one thread for all waits of an environment, which sleeps in the poller.
#pragma once

#include <mutex>
#include <thread>

#include "doorbell.h"
#include "quiet_thread.h"
#include "wait_set.h"

namespace sockman {

/// All members but `run` and what it calls are for the JavaScript thread.
template <class Poller>
class Waiter {
 public:
  /// Starts the thread; `delivery` is called when waits have ended, to `take` them.
  static Result<std::unique_ptr<Waiter>> start(Delivery& delivery) {
    auto set = WaitSet<Poller>::open();
    if (!set) return set.failure();
    auto waiter = std::unique_ptr<Waiter>(new Waiter(std::move(*set), delivery));
    waiter->thread_ = quietThread("sockman-wait", [raw = waiter.get()] { raw->run(); });
    return waiter;
  }
  ~Waiter() {
    stop();
    bell_->close();
  }

  void begin(std::unique_ptr<Wait> wait) { post({std::move(wait), 0}); }
  void cancel(uint64_t token) { post({nullptr, token}); }
  /// Those that have ended since, for the caller to keep.
  void take(Waits& ended) {
    std::lock_guard lock(mutex_);
    ended.swap(ended_);
  }
  void keepAlive(bool alive) { bell_->keepAlive(env_, alive); }
  /// Joins the thread. Waits under way never end; no descriptor is in use. Again: harmless.
  void stop() {
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

  Waiter(std::unique_ptr<WaitSet<Poller>> set, Delivery& delivery)
      : env_(delivery.env()), bell_(Doorbell::open(env_, delivery)), set_(std::move(set)) {}

  /// Only the first of a batch wakes: the thread empties the queue after the wake that it has taken, under
  /// the lock, so who finds the queue filled knows that a wake is still to be answered.
  void post(Command command) {
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
  std::thread thread_;
};

}  // namespace sockman
