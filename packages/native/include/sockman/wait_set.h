// The waits under way on one poller (see readiness_engine.h): many waits, each for many descriptors. Whoever
// runs it blocks in it; all members but `wake` are for that thread.
//
// A poller may know a descriptor once only, so waits for the same descriptor share a Watch, which borrows the
// descriptor: core keeps the descriptor open until the wait has ended (docs/native.md, N51).
#pragma once

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "deadlines.h"
#include "fd.h"
#include "narrow.h"
#include "result.h"
#include "sys/wait.h"

namespace sockman {

/// As in core's `constants.ts`.
enum SockEvent : uint8_t { kRecvEvent = 1, kSendEvent = 2, kErrorEvent = 4 };

struct WaitRequest {
  int fd;
  uint8_t requested;
  uint8_t occurred = 0;
};

/// Owned by who began it, until it is handed to the set, and again from the end on.
struct Wait {
  uint64_t token;
  Time until;
  std::vector<WaitRequest> requests;
  Deadlines<Wait>::Place deadline;  // these two: the set's
  bool ended = false;
};

using Waits = std::vector<std::unique_ptr<Wait>>;

template <class Poller>
class WaitSet {
 public:
  static Result<std::unique_ptr<WaitSet>> open() {
    auto poller = Poller::open();
    if (!poller) return poller.failure();
    return std::unique_ptr<WaitSet>(new WaitSet(std::move(*poller)));
  }
  ~WaitSet() {
    for (auto& [fd, watch] : watches_) poller_.remove(watch);
  }

  void begin(std::unique_ptr<Wait> owned) {
    Wait& wait = *owned;
    for (WaitRequest& request : wait.requests) {
      Watch& watch = watchOf(request.fd);
      watch.interests.push_back({&wait, &request});
      update(watch);
    }
    deadlines_.set(wait, wait.until);
    waits_.emplace(wait.token, std::move(owned));
  }
  /// Ends it with what has occurred. Of one that has ended: harmless.
  void cancel(uint64_t token) {
    const auto found = waits_.find(token);
    if (found != waits_.end()) end(*found->second);
  }
  /// Blocks until a wait ends, or a wake, and gives those that have ended away.
  void run(Waits& ended) {
    Time looked = now();
    look(ending_.empty() ? deadlines_.next() : 0);
    // A deadline that passed since is judged after another look: a process that was stopped is late itself (N67).
    if (deadlines_.next() > looked && deadlines_.next() <= now()) {
      looked = now();
      look(0);
    }
    deadlines_.expire(looked, [this](Wait& wait) { end(wait); });
    for (Wait* wait : ending_) {
      letGo(*wait);
      const auto owned = waits_.find(wait->token);
      ended.push_back(std::move(owned->second));
      waits_.erase(owned);
    }
    ending_.clear();
    // The kernel lets go of the descriptors before anybody learns that the waits have ended (N51).
    if constexpr (requires { poller_.settle(); }) poller_.settle();
  }
  /// Any thread: ends `run`, also the next one.
  void wake() { poller_.wake(); }

 private:
  struct Interest {
    Wait* wait;
    WaitRequest* request;
  };
  struct Watch : Poller::Port {
    explicit Watch(int raw) { this->fd = Fd(raw); }
    ~Watch() { this->fd.release(); }
    std::vector<Interest> interests;
  };

  explicit WaitSet(Poller poller) : poller_(std::move(poller)) {}

  /// Waits, and ends the waits for which something was found.
  void look(Time deadline) {
    poller_.wait(deadline);
    poller_.ready([this](typename Poller::Port& port, bool readable, bool writable, bool hungUp) {
      found(static_cast<Watch&>(port), readable, writable, hungUp);
    });
  }

  Watch& watchOf(int fd) {
    const auto [place, fresh] = watches_.try_emplace(fd, fd);
    if (fresh) poller_.add(place->second);
    return place->second;
  }
  void update(Watch& watch) {
    uint8_t requested = 0;
    for (const Interest& interest : watch.interests) requested |= interest.request->requested;
    poller_.update(watch, requested & kRecvEvent, requested & kSendEvent);
  }
  void found(Watch& watch, bool readable, bool writable, bool hungUp) {
    if constexpr (requires { Poller::kErrorsLookReady; }) hungUp = hungUp || isHungUp(watch.fd.get());
    const int events = (readable ? kRecvEvent : 0) | (writable ? kSendEvent : 0);
    for (const auto& [wait, request] : watch.interests) {
      const int occurred = (events & request->requested) | (hungUp ? kErrorEvent : 0);
      request->occurred |= narrow<uint8_t>(occurred);
      if (occurred != 0) end(*wait);
    }
  }
  void end(Wait& wait) {
    deadlines_.cancel(wait);
    if (!std::exchange(wait.ended, true)) ending_.push_back(&wait);
  }
  /// Its descriptors are watched for others only, or not at all.
  void letGo(Wait& wait) {
    for (const WaitRequest& request : wait.requests) {
      const auto place = watches_.find(request.fd);
      if (place == watches_.end()) continue;  // named twice by this wait
      Watch& watch = place->second;
      std::erase_if(watch.interests, [&](const Interest& interest) { return interest.wait == &wait; });
      if (!watch.interests.empty()) {
        update(watch);
        continue;
      }
      poller_.remove(watch);
      watches_.erase(place);
    }
  }
  /// Of a mechanism that reports an error as readiness: what the descriptor itself says, without waiting.
  static bool isHungUp(int fd) {
    pollfd entry{fd, 0, 0};
    // Refused for lack of memory, it says no: the next `recv` or `send` meets the error.
    return sys::poll(&entry, 1, 0) > 0;
  }

  Poller poller_;
  std::unordered_map<int, Watch> watches_;
  std::unordered_map<uint64_t, std::unique_ptr<Wait>> waits_;
  Deadlines<Wait> deadlines_;
  std::vector<Wait*> ending_;
};

}  // namespace sockman
