// The thread drive: a network thread of its own runs the loop; it waits on the kernel only.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>

#include "drive.h"
#include "sock_loop.h"

namespace sockman {

/// Tells the JavaScript thread that records wait: one call per batch, without data.
/// Happens-before: the producer pushes, then exchanges `armed`; the consumer exchanges it back before it
/// reads. Both exchanges are sequentially consistent: a record pushed after the consumer looked finds armed =
/// 0 and rings again.
class Doorbell {
 public:
  /// JavaScript thread. Freed by the runtime's finalizer, since calls may outlive `close`.
  static Doorbell* open(napi_env env, Delivery& delivery) {
    auto* bell = new Doorbell(delivery);
    napi_value name;
    napi_create_string_utf8(env, "sockman", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, finalize, bell, answer,
                                    &bell->function_);
    napi_unref_threadsafe_function(env, bell->function_);
    return bell;
  }
  /// JavaScript thread: nothing is delivered any more.
  void close() {
    delivery_ = nullptr;
    napi_release_threadsafe_function(function_, napi_tsfn_abort);
  }

  /// Any thread.
  void ring() {
    if (armed_.exchange(1) == 0) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }
  /// JavaScript thread.
  void keepAlive(napi_env env, bool alive) {
    (alive ? napi_ref_threadsafe_function : napi_unref_threadsafe_function)(env, function_);
  }

 private:
  explicit Doorbell(Delivery& delivery) : delivery_(&delivery) {}

  static void answer(napi_env env, napi_value, void* context, void*) {
    auto* bell = static_cast<Doorbell*>(context);
    bell->armed_.exchange(0);
    if (env && bell->delivery_) bell->delivery_->call();
  }
  static void finalize(napi_env, void*, void* context) { delete static_cast<Doorbell*>(context); }

  Delivery* delivery_;  // the JavaScript thread's
  napi_threadsafe_function function_ = nullptr;
  std::atomic<uint32_t> armed_{0};
};

template <Engine E>
class ThreadDrive final : public Drive {
 public:
  ThreadDrive(SockLoop<E>& loop, EventRing& ring, Delivery& delivery)
      : loop_(loop), ring_(ring), env_(delivery.env()), bell_(Doorbell::open(env_, delivery)) {
    // After the doorbell: hooks run last in, first out, so the thread is gone before the doorbell is.
    napi_add_env_cleanup_hook(env_, cleanUp, this);
  }
  ~ThreadDrive() override {
    dispose();
    closeBell();
  }

  void start() override {
    // Signals are for the other threads: a signal here would only interrupt a wait.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  void post(Command&& command) override {
    if (disposed_) return;
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
#ifdef __linux__
    pthread_setname_np(pthread_self(), "sockman");
#endif
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
    taken_.clear();
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
