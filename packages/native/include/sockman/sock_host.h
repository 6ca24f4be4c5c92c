// `SockHost` in an addon: the native half of TypeScript's NativeSockHost. It waits with the engine's own
// mechanism, on a thread of its own or by blocking the caller, and knows every descriptor that a Sock owns. A
// number such as N53 is a line of docs/native.md.
#pragma once

#include <napi.h>

#include <cmath>
#include <unordered_set>

#include "exported.h"
#include "narrow.h"
#include "thread_end.h"
#include "throw_failure.h"
#include "waiter.h"

namespace sockman {

template <class Poller>
class SockHost : public Exported<SockHost<Poller>> {
 public:
  using Base = Exported<SockHost<Poller>>;
  using Info = Napi::CallbackInfo;

  static void init(Napi::Env env, Napi::Object exports) {
    exports.Set("SockHost", Base::DefineClass(env, "SockHost",
                                              {
                                                  Base::template entry<&SockHost::clock>("now"),
                                                  Base::template entry<&SockHost::begin>("begin"),
                                                  Base::template entry<&SockHost::cancel>("cancel"),
                                                  Base::template entry<&SockHost::take>("take"),
                                                  Base::template entry<&SockHost::waitSync>("waitSync"),
                                                  Base::template entry<&SockHost::own>("own"),
                                                  Base::template entry<&SockHost::disown>("disown"),
                                                  Base::template entry<&SockHost::close>("close"),
                                                  Base::template entry<&SockHost::stop>("stop"),
                                              }));
  }

  /// new SockHost(deliver, inWorker)
  explicit SockHost(const Info& info) : Base(info), env_(info.Env()), delivery_(env_) {
    const bool inWorker = info[1].As<Napi::Boolean>();
    if (auto failure = open(info[0], inWorker)) raise(*failure);
  }
  ~SockHost() override {
    napi_remove_env_cleanup_hook(env_, cleanUp, this);
    end();
  }

 private:
  /// () → ms of a monotonic clock, which no test framework stops
  Napi::Value clock(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    return Napi::Number::New(env_, static_cast<double>(now()) / kMillisecond);
  }
  /// (requests, ms): `requests` is [descriptor, events] in turn → its token
  Napi::Value begin(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    if (!waiter_) {
      auto waiter = Waiter<Poller>::start(delivery_);
      if (!waiter) return raise(waiter.failure());
      waiter_ = std::move(*waiter);
    }
    auto wait = make(info[0], info[1]);
    if (auto failure = unwatchable(*wait)) return raise(*failure);
    wait->token = ++tokens_;
    waiter_->begin(std::move(wait));
    if (pending_++ == 0) waiter_->keepAlive(true);
    return Napi::Number::New(env_, static_cast<double>(tokens_));
  }
  /// (token)
  Napi::Value cancel(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    if (waiter_) waiter_->cancel(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
    return env_.Undefined();
  }
  /// () → [token, count, what occurred to each request …] of all that have ended
  Napi::Value take(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    Waits ended;
    if (waiter_) waiter_->take(ended);
    size_t size = 0;
    for (const auto& wait : ended) size += 2 + wait->requests.size();
    Napi::Float64Array result = Napi::Float64Array::New(env_, size);
    double* at = result.Data();
    for (const auto& wait : ended) {
      *at++ = static_cast<double>(wait->token);
      *at++ = static_cast<double>(wait->requests.size());
      for (const WaitRequest& request : wait->requests) *at++ = request.occurred;
    }
    pending_ -= ended.size();
    if (!ended.empty() && pending_ == 0) waiter_->keepAlive(false);
    return result;
  }

  /// (requests, ms, bell or -1): blocks; replaces the events by those that occurred. False: neither one of
  /// them nor the time has ended it. The bell rang, or JavaScript has to run so that this thread can end
  /// (N52).
  Napi::Value waitSync(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    auto wait = make(info[0], info[1]);
    const size_t count = wait->requests.size();
    const int bell = info[2].As<Napi::Number>().Int32Value();
    const int edges = threadEnd_ ? threadEnd_->fd() : -1;
    if (bell >= 0) wait->requests.push_back({bell, kRecvEvent});
    if (edges >= 0) wait->requests.push_back({edges, kRecvEvent});
    if (auto failure = unwatchable(*wait)) return raise(*failure);
    const Time until = wait->until;
    wait = block(std::move(wait));
    if (edges >= 0) {
      const uint8_t told = wait->requests.back().occurred;
      if (told & kErrorEvent) {
        wait = blockBriefly(std::move(wait));
      } else if (told != 0) {
        threadEnd_->clear();
      }
    }
    const std::vector<WaitRequest>& requests = wait->requests;
    bool over = now() >= until;
    for (size_t i = 0; i < count; i++) over = over || requests[i].occurred != 0;
    auto words = info[0].As<Napi::Int32Array>();
    for (size_t i = 0; over && i < count; i++) words[2 * i + 1] = requests[i].occurred;
    return Napi::Boolean::New(env_, over);
  }

  /// Until it ends.
  std::unique_ptr<Wait> block(std::unique_ptr<Wait> wait) SOCKMAN_REQUIRES(javascriptThread) {
    sync_->begin(std::move(wait));
    Waits ended;
    while (ended.empty()) sync_->run(ended);
    return std::move(ended[0]);
  }
  /// The last request, for the end of the thread, is refused: by a mechanism that is short of memory, or by epoll, which
  /// nests no deeper than four. Without it JavaScript has its turn again and again instead (N52, N66).
  std::unique_ptr<Wait> blockBriefly(std::unique_ptr<Wait> wait) SOCKMAN_REQUIRES(javascriptThread) {
    wait->requests.pop_back();
    for (const WaitRequest& request : wait->requests) {
      if (request.occurred != 0) return wait;
    }
    wait->until = std::min(wait->until, now() + kAskAgain);
    wait->ended = false;
    return block(std::move(wait));
  }

  /// (fd)
  Napi::Value own(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    owned_.insert(info[0].As<Napi::Number>().Int32Value());
    return env_.Undefined();
  }
  Napi::Value disown(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    owned_.erase(info[0].As<Napi::Number>().Int32Value());
    return env_.Undefined();
  }
  /// (fd) → 0 or a negative errno
  Napi::Value close(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const int fd = info[0].As<Napi::Number>().Int32Value();
    owned_.erase(fd);
    return Napi::Number::New(env_, sys::close(fd));
  }
  /// Joins the thread; waits under way never end.
  Napi::Value stop(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    if (waiter_) waiter_->stop();
    return env_.Undefined();
  }

  Napi::Value raise(const Failure& failure) {
    throwFailure(env_, failure, Poller::kDescriptorLimit);
    return env_.Undefined();
  }
  std::unique_ptr<Wait> make(const Napi::Value& requests, const Napi::Value& timeout) {
    auto wait = std::make_unique<Wait>();
    const auto words = requests.As<Napi::Int32Array>();
    wait->requests.reserve(words.ElementLength() / 2 + 2);
    for (size_t i = 0; i + 1 < words.ElementLength(); i += 2)
      wait->requests.push_back({words[i], narrow<uint8_t>(words[i + 1])});
    wait->until = after(timeout.As<Napi::Number>().DoubleValue());
    return wait;
  }
  static std::optional<Failure> unwatchable(const Wait& wait) {
    for (const WaitRequest& request : wait.requests) {
      if (request.fd >= Poller::kDescriptorLimit) return Failure::unwatchable(request.fd);
    }
    return std::nullopt;
  }
  /// Fractions are kept, what is beyond the range is for ever.
  static Time after(double milliseconds) {
    const double nanoseconds = std::ceil(milliseconds * kMillisecond);
    const Time start = now();
    return nanoseconds < static_cast<double>(kNever / 2) ? start + static_cast<Time>(nanoseconds) : kNever;
  }
  /// Whatever the system may refuse, for good or for lack of descriptors, it refuses here.
  std::optional<Failure> open(napi_value deliver, bool inWorker) SOCKMAN_REQUIRES(javascriptThread) {
    if (auto failure = delivery_.open(deliver)) return failure;
    delivery_.hold();
    if (const int error = sys::addCleanupHook(env_, cleanUp, this))
      return Failure{error, "napi_add_env_cleanup_hook"};
    auto sync = WaitSet<Poller>::open();
    if (!sync) return sync.failure();
    sync_ = std::move(*sync);
    if (!inWorker) return std::nullopt;
    auto end = ThreadEnd::open(env_);
    if (!end) return end.failure();
    threadEnd_ = std::move(*end);
    return std::nullopt;
  }

  /// The environment ends: nothing will collect what its Socks own (N53).
  static void cleanUp(void* data) {
    javascriptThread.assertHeld();
    static_cast<SockHost*>(data)->end();
  }
  void end() SOCKMAN_REQUIRES(javascriptThread) {
    waiter_.reset();
    sync_.reset();
    threadEnd_.reset();
    for (const int fd : std::exchange(owned_, {})) const Fd closed(fd);
  }

  Napi::Env env_;
  Delivery delivery_;
  std::unordered_set<int> owned_ SOCKMAN_GUARDED_BY(javascriptThread);
  std::unique_ptr<Waiter<Poller>> waiter_ SOCKMAN_GUARDED_BY(javascriptThread);  // from the first wait on
  /// One wait at a time; kept, since some are expensive to open.
  std::unique_ptr<WaitSet<Poller>> sync_ SOCKMAN_GUARDED_BY(javascriptThread);
  std::optional<ThreadEnd> threadEnd_ SOCKMAN_GUARDED_BY(javascriptThread);  // in a worker
  uint64_t tokens_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  size_t pending_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
};

}  // namespace sockman
