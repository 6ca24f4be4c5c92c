// The room of libuv: its calls that can be refused. They answer 0, or a count, else a negative errno, as libuv does.
//
// Not here is what libuv is refused nothing for: timers, `uv_read_stop`, `uv_poll_stop`, `uv_close`, `uv_run`, and the
// start of a handle that has no descriptor yet (`uv_tcp_init` without a family, `uv_pipe_init`). `uv_async_send` writes
// to an eventfd, which takes 2^64 - 2 signals.
#pragma once

#include <sockman/sys/call.h>
#include <uv.h>

namespace sockman::sys::uv {

template <class Call>
[[nodiscard]] auto answered(Point point, Call&& call) -> decltype(call()) {
  const int error = faultAt(point);
  return error ? -error : call();
}

[[nodiscard]] inline int loop(uv_loop_t& loop) {
  return answered(Point::uv_loop_init, [&] { return uv_loop_init(&loop); });
}
[[nodiscard]] inline int async(uv_loop_t& loop, uv_async_t& handle) {
  return answered(Point::uv_async_init, [&] { return uv_async_init(&loop, &handle, nullptr); });
}
[[nodiscard]] inline int poll(uv_loop_t& loop, uv_poll_t& handle, int fd) {
  return answered(Point::uv_poll_init, [&] { return uv_poll_init_socket(&loop, &handle, fd); });
}
[[nodiscard]] inline int startPoll(uv_poll_t& handle, int events, uv_poll_cb ready) {
  return answered(Point::uv_poll_start, [&] { return uv_poll_start(&handle, events, ready); });
}
[[nodiscard]] inline int open(uv_tcp_t& handle, int fd) {
  return answered(Point::uv_open, [&] { return uv_tcp_open(&handle, fd); });
}
[[nodiscard]] inline int open(uv_pipe_t& handle, int fd) {
  return answered(Point::uv_open, [&] { return uv_pipe_open(&handle, fd); });
}
[[nodiscard]] inline int startReading(uv_stream_t& stream, uv_alloc_cb allocate, uv_read_cb read) {
  return answered(Point::uv_read_start, [&] { return uv_read_start(&stream, allocate, read); });
}
[[nodiscard]] inline int tryWrite(uv_stream_t& stream, const uv_buf_t* parts, unsigned count) {
  return answered(Point::uv_try_write, [&] { return uv_try_write(&stream, parts, count); });
}
[[nodiscard]] inline int write(uv_write_t& request, uv_stream_t& stream, const uv_buf_t& piece,
                               uv_write_cb done) {
  return answered(Point::uv_write, [&] { return uv_write(&request, &stream, &piece, 1, done); });
}

}  // namespace sockman::sys::uv
