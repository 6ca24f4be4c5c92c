// The thread drive: a network thread of its own runs the loop, and waits on the kernel, or on `awake` while
// the ring is full. A number such as N7 is a line of docs/native.md.
#pragma once

#include <memory>

#include "doorbell.h"
#include "drive.h"
#include "node_loop.h"
#include "sock_loop.h"
#include "sys/thread.h"

namespace sockman {

template <Engine E>
class ThreadDrive final : public Drive {
 public:
  static Result<std::unique_ptr<Drive>> open(SockLoop<E>& loop, CommandCount& count, EventRing& ring,
                                             Delivery& delivery) SOCKMAN_REQUIRES(javascriptThread) {
    auto bell = Doorbell::open(delivery.env(), delivery);
    if (!bell) return bell.failure();
    std::unique_ptr<ThreadDrive> drive(new ThreadDrive(loop, count, ring, delivery.env(), *bell));
    if (inlineAvailable()) {
      auto nextTurn = NextTurn::open(drive->env_, **bell);
      if (!nextTurn) return nextTurn.failure();
      drive->nextTurn_ = *nextTurn;
    }
    // After the doorbell: hooks run last in, first out, so the thread is gone before the doorbell is (N22).
    if (const int error = sys::addCleanupHook(drive->env_, cleanUp, drive.get()))
      return Failure{error, "napi_add_env_cleanup_hook"};
    return std::unique_ptr<Drive>(std::move(drive));
  }
  ~ThreadDrive() override {
    dispose();
    closeBell();
  }

  std::optional<Failure> start() override SOCKMAN_REQUIRES(javascriptThread) {
    return thread_.start("sockman", [this] { run(); });
  }
  void post(Command&& command) override SOCKMAN_REQUIRES(javascriptThread) {
    if (disposed_) return;
    count_.post();
    commands_.push(std::move(command));
    wake();
  }
  /// Happens-before: commands, returned blocks and ring space are published first, then `awake` is exchanged;
  /// the thread exchanges it back and looks at all three again before it sleeps (N7).
  void wake() override SOCKMAN_REQUIRES(javascriptThread) {
    if (awake_.exchange(1) == 0) loop_.engine().wake();
  }
  void ring() override SOCKMAN_REQUIRES(javascriptThread) {
    if (!disposed_) bell_->ring();
  }
  bool ringLater() override SOCKMAN_REQUIRES(javascriptThread) {
    if (!nextTurn_) return false;
    bell_->pause();
    nextTurn_->ask();
    return true;
  }
  void keepAlive(bool alive) override SOCKMAN_REQUIRES(javascriptThread) {
    if (bell_) bell_->keepAlive(env_, alive);
  }
  void join() override SOCKMAN_REQUIRES(javascriptThread) {
    thread_.join();
    closeBell();
    disposed_ = true;
  }
  void dispose() override SOCKMAN_REQUIRES(javascriptThread) {
    if (std::exchange(disposed_, true) || !thread_.joinable()) return;
    discard_.store(true);
    wake();
    thread_.join();
  }

 private:
  ThreadDrive(SockLoop<E>& loop, CommandCount& count, EventRing& ring, napi_env env, Doorbell* bell)
      : loop_(loop), count_(count), ring_(ring), env_(env), bell_(bell) {}

  /// The network thread, from its start to its end.
  void run() {
    drivingThread.assertHeld();
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
  void serve() SOCKMAN_REQUIRES(drivingThread) {
    commands_.take(taken_);
    loop_.reclaim();  // after the commands are taken, before they are executed (N33)
    for (Command& command : taken_) loop_.execute(command);
    const size_t executed = taken_.size();
    taken_.clear();
    count_.execute(executed);
    loop_.goOn();
    if (discard_.load()) loop_.discard();
    expire();
  }
  void expire() SOCKMAN_REQUIRES(drivingThread) {
    const Time looked = now();
    if (loop_.nextDeadline() > looked) return;
    loop_.engine().wait(0);
    loop_.engine().reap(loop_);
    loop_.expire(looked);
  }
  void announce() SOCKMAN_REQUIRES(drivingThread) {
    if (loop_.publish() && !discard_.load()) bell_->ring();
  }
  void sleep() SOCKMAN_REQUIRES(drivingThread) {
    const bool starved = loop_.starved();
    if (starved) ring_.setStarved(true);
    awake_.exchange(0);
    const bool work = !commands_.empty() || (starved && ring_.consumed()) || discard_.load();
    loop_.engine().wait(work ? 0 : loop_.nextDeadline());
    awake_.store(1);
    if (starved) ring_.setStarved(false);  // awake, it looks by itself
  }
  void closeBell() SOCKMAN_REQUIRES(javascriptThread) {
    if (!bell_) return;
    if (nextTurn_) std::exchange(nextTurn_, nullptr)->close();
    std::exchange(bell_, nullptr)->close();
    napi_remove_env_cleanup_hook(env_, cleanUp, this);
  }
  /// The environment ends: the doorbell with it, right after this.
  static void cleanUp(void* data) {
    javascriptThread.assertHeld();
    auto* drive = static_cast<ThreadDrive*>(data);
    drive->dispose();
    if (drive->nextTurn_) std::exchange(drive->nextTurn_, nullptr)->close();
    std::exchange(drive->bell_, nullptr)->close();
  }

  SockLoop<E>& loop_;
  CommandCount& count_;
  EventRing& ring_;
  napi_env env_;
  Doorbell* bell_;
  NextTurn* nextTurn_ = nullptr;
  CommandQueue commands_;
  std::vector<Command> taken_ SOCKMAN_GUARDED_BY(drivingThread);
  std::atomic<uint32_t> awake_{1};
  std::atomic<bool> discard_{false};
  bool disposed_ SOCKMAN_GUARDED_BY(javascriptThread) = false;
  sys::Thread thread_;
};

}  // namespace sockman
