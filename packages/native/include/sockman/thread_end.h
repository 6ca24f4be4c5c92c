// How a thread that blocks in a call of ours learns that it shall end.
#pragma once

#include <node_api.h>
#include <uv.h>

#include "fd.h"
#include "result.h"
#include "sys/node.h"
#include "sys/wait.h"

#pragma weak uv_backend_fd

namespace sockman {

/// A worker that is terminated ends between two calls of JavaScript, so a call that blocks has to return.
/// Node wakes the worker's event loop then: its backend is watched, by edges, since other events that wait in
/// it are none of ours. Only in a worker of Node's (docs/native.md, N52).
class ThreadEnd {
 public:
  static Result<ThreadEnd> open(napi_env env) {
    ThreadEnd end;
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop == nullptr || uv_backend_fd == nullptr) return end;
    if (const int error = sys::eventLoop(env, &loop)) return Failure{error, "napi_get_uv_event_loop"};
    const int epoll = sys::epollCreate();
    if (epoll < 0) return Failure::of(epoll, "epoll_create1");
    end.edges_ = Fd(epoll);
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
    if (const int error = sys::epollControl(epoll, EPOLL_CTL_ADD, uv_backend_fd(loop), &event))
      return Failure::of(error, "epoll_ctl");
    return end;
  }
  /// Readable when the loop was woken since the last `clear`; -1 where there is no such loop.
  int fd() const { return edges_.get(); }
  void clear() const {
    epoll_event event;
    // An edge that stays is told once more: the call returns to JavaScript once too often.
    sys::ignored(sys::epollWait(edges_.get(), &event, 1, 0));
  }

 private:
  Fd edges_;
};

}  // namespace sockman
