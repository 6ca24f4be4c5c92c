// Waiting by uv_poll_t on a loop of our own. What a Sock's `wait` uses; the engine's streams move the bytes.
#pragma once

#include <sockman/engine.h>
#include <sockman/sys/memory.h>
#include <uv.h>

#include <memory>
#include <utility>
#include <vector>

#include "own_loop.h"

namespace sockman {

class LibuvPoller {
 public:
  static constexpr int kDescriptorLimit = kNoDescriptorLimit;
  /// uv_poll tells a hang-up as readiness, and an error as EBADF.
  static constexpr bool kErrorsLookReady = true;

  struct Port;
  struct Found {
    Port* port;
    int events;
    bool refused = false;
  };
  struct Watcher {
    uv_poll_t poll;
    Port* port;
    std::vector<Found>* found;
    int flags;  // the descriptor's, before
    [[no_unique_address]] sys::Counted counted;
  };
  struct Port {
    Fd fd;
    Watcher* watcher = nullptr;  // none: libuv would not take the descriptor
  };

  static Result<LibuvPoller> open() {
    auto loop = OwnLoop::open();
    if (!loop) return loop.failure();
    return LibuvPoller(std::move(*loop));
  }

  void add(Port& port) {
    const int fd = port.fd.get();
    auto watcher = std::make_unique<Watcher>();
    watcher->port = &port;
    watcher->found = found_.get();
    watcher->flags = sys::flags(fd);
    if (watcher->flags < 0 || sys::uv::poll(*loop_->get(), watcher->poll, fd) != 0) return refuse(port);
    watcher->poll.data = watcher.get();
    port.watcher = watcher.release();
  }
  void remove(Port& port) {
    std::erase_if(*found_, [&](const Found& found) { return found.port == &port; });
    Watcher* watcher = std::exchange(port.watcher, nullptr);
    if (!watcher) return;
    // The kernel forgets it at once, the memory is libuv's until the loop has run.
    uv_close(reinterpret_cast<uv_handle_t*>(&watcher->poll),
             [](uv_handle_t* handle) { delete static_cast<Watcher*>(handle->data); });
    // libuv made it non-blocking, which was not asked for.
    // Refused, by a descriptor that somebody closed, it has no flags any more.
    if (!(watcher->flags & O_NONBLOCK)) sys::ignored(sys::setFlags(port.fd.get(), watcher->flags));
  }
  /// Told once, until asked again. With nothing to ask for, the priority event, whose place an error takes.
  void update(Port& port, bool read, bool write) {
    if (!port.watcher) return;
    const int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
    if (sys::uv::startPoll(port.watcher->poll, events != 0 ? events : UV_PRIORITIZED, onReady) != 0)
      refuse(port);
  }

  void wait(Time deadline) { loop_->run(found_->empty() ? millisecondsUntil(deadline) : 0); }
  void wake() { loop_->wake(); }

  template <class Visit>
  void ready(Visit&& visit) {
    for (const auto& [port, events, refused] : std::exchange(*found_, {}))
      visit(*port, (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0, refused);
  }

 private:
  explicit LibuvPoller(std::unique_ptr<OwnLoop> loop) : loop_(std::move(loop)) {}

  /// Not watched: told as an error, and as ready, so that the next call on the descriptor says what is wrong.
  void refuse(Port& port) { found_->push_back({&port, UV_READABLE | UV_WRITABLE, true}); }

  static void onReady(uv_poll_t* poll, int status, int events) {
    auto* watcher = static_cast<Watcher*>(poll->data);
    uv_poll_stop(poll);
    // An error makes a socket readable and writable.
    watcher->found->push_back({watcher->port, status < 0 ? UV_READABLE | UV_WRITABLE : events});
  }

  std::unique_ptr<OwnLoop> loop_;
  std::unique_ptr<std::vector<Found>> found_ =
      std::make_unique<std::vector<Found>>();  // callbacks point to it
};

}  // namespace sockman
