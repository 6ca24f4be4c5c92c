// How a thread that blocks in a call of ours learns that it shall end.
#pragma once

#include <node_api.h>
#include <sys/epoll.h>
#include <uv.h>

#include "fd.h"
#include "result.h"

#pragma weak napi_get_uv_event_loop
#pragma weak uv_backend_fd

namespace sockman {

/// `worker.terminate()`, and `process.exit()` above a worker, mark the worker's isolate and then wake its
/// event loop; the call that blocks has to return to JavaScript, which ends between two calls. So the loop's
/// backend is watched, by its edges, since other events that wait in it are none of ours. Only in a worker of
/// Node's.
class ThreadEnd {
 public:
  static Result<ThreadEnd> open(napi_env env) {
    ThreadEnd end;
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop == nullptr || uv_backend_fd == nullptr) return end;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) return end;
    end.edges_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!end.edges_) return Failure::last("epoll_create1");
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
    if (::epoll_ctl(end.edges_.get(), EPOLL_CTL_ADD, uv_backend_fd(loop), &event) != 0)
      return Failure::last("epoll_ctl");
    return end;
  }
  /// Readable when the loop was woken since the last `clear`; -1 where there is no such loop.
  int fd() const { return edges_.get(); }
  void clear() const {
    epoll_event event;
    (void)!::epoll_wait(edges_.get(), &event, 1, 0);
  }

 private:
  Fd edges_;
};

}  // namespace sockman
