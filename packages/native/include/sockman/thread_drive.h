// The thread drive: a network thread of its own runs the loop; it waits on the kernel only.
#pragma once

#include <thread>

#include "doorbell.h"
#include "drive.h"
#include "quiet_thread.h"
#include "sock_loop.h"

namespace sockman {

template <Engine E>
class ThreadDrive final : public Drive {
 public:
  ThreadDrive(SockLoop<E>& loop, CommandCount& count, EventRing& ring, Delivery& delivery)
      : loop_(loop), count_(count), ring_(ring), env_(delivery.env()), bell_(Doorbell::open(env_, delivery)) {
    // After the doorbell: hooks run last in, first out, so the thread is gone before the doorbell is.
    napi_add_env_cleanup_hook(env_, cleanUp, this);
  }
  ~ThreadDrive() override {
    dispose();
    closeBell();
  }

  void start() override {
    thread_ = quietThread("sockman", [this] { run(); });
  }
  void post(Command&& command) override {
    if (disposed_) return;
    count_.post();
    commands_.push(std::move(command));
    wake();
  }
  /// Happens-before: commands, returned blocks and ring space are published first, then `awake` is exchanged;
  /// the thread exchanges it back and looks at all three again before it sleeps.
  void wake() override {
    if (awake_.exchange(1) != 0) return;
    awake_.notify_one();
    loop_.engine().wake();
  }
  void ring() override {
    if (!disposed_) bell_->ring();
  }
  void keepAlive(bool alive) override {
    if (bell_) bell_->keepAlive(env_, alive);
  }
  void join() override {
    if (thread_.joinable()) thread_.join();
    closeBell();
    disposed_ = true;
  }
  void dispose() override {
    if (std::exchange(disposed_, true) || !thread_.joinable()) return;
    discard_.store(true);
    wake();
    thread_.join();
  }

 private:
  void run() {
    loop_.engine().enable();
    for (;;) {
      serve();
      if (loop_.finished()) break;
      announce();
      sleep();
      loop_.engine().reap(loop_);
      announce();
    }
    announce();
  }
  void serve() {
    commands_.take(taken_);
    loop_.reclaim();
    for (Command& command : taken_) loop_.execute(command);
    const size_t executed = taken_.size();
    taken_.clear();
    count_.execute(executed);
    if (discard_.load()) loop_.discard();
    loop_.expire();
  }
  void announce() {
    if (loop_.publish() && !discard_.load()) bell_->ring();
  }
  void sleep() {
    const bool starved = loop_.starved();
    if (starved) ring_.setStarved(true);
    awake_.exchange(0);
    const bool work = !commands_.empty() || (starved && ring_.consumed()) || discard_.load();
    if (work) {
      loop_.engine().wait(0);
    } else if (!loop_.hasRoom()) {
      // Reaping has to wait for JavaScript, and the kernel's readiness must not wake us meanwhile.
      awake_.wait(0);
    } else {
      loop_.engine().wait(loop_.nextDeadline());
    }
    awake_.store(1);
    if (starved) ring_.setStarved(false);  // awake, it looks by itself
  }
  void closeBell() {
    if (!bell_) return;
    std::exchange(bell_, nullptr)->close();
    napi_remove_env_cleanup_hook(env_, cleanUp, this);
  }
  /// The environment ends: the doorbell with it, right after this.
  static void cleanUp(void* data) {
    auto* drive = static_cast<ThreadDrive*>(data);
    drive->dispose();
    std::exchange(drive->bell_, nullptr)->close();
  }

  SockLoop<E>& loop_;
  CommandCount& count_;
  EventRing& ring_;
  napi_env env_;
  Doorbell* bell_;
  CommandQueue commands_;
  std::vector<Command> taken_;
  std::atomic<uint32_t> awake_{1};
  std::atomic<bool> discard_{false};
  bool disposed_ = false;  // the JavaScript thread's
  std::thread thread_;
};

}  // namespace sockman
