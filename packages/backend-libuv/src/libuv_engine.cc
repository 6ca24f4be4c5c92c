// A number such as N5 is a line of docs/native.md.
#include "libuv_engine.h"

#include <sockman/narrow.h>

#include <algorithm>

namespace sockman {
namespace {

/// libuv leaves the standard descriptors open when it closes a stream.
constexpr int kLastStandardDescriptor = 2;

/// 0, or a negative errno: libuv aborts the process when it cannot watch a descriptor that somebody has closed.
int closedElsewhere(const Fd& fd) {
  return sys::isOpen(fd.get()) ? 0 : -EBADF;
}

}  // namespace

Result<std::unique_ptr<LibuvEngine>> LibuvEngine::open(ReceivePool& pool, uv_loop_t* nodeLoop) {
  if (nodeLoop) return std::unique_ptr<LibuvEngine>(new LibuvEngine(pool, nullptr, nodeLoop));
  auto own = OwnLoop::open();
  if (!own) return own.failure();
  uv_loop_t* loop = (*own)->get();
  return std::unique_ptr<LibuvEngine>(new LibuvEngine(pool, std::move(*own), loop));
}

void LibuvEngine::wait(Time deadline) {
  counters_.syscalls.add();
  own_->run(busy() ? 0 : millisecondsUntil(deadline));
  counters_.wakeups.add();
}

/// A handle never keeps Node's loop alive: that is the SockMan's to decide.
template <class Handle>
void LibuvEngine::adopt(Handle& handle, Port& port) {
  port.engine = this;
  port.unclosed++;
  handle.data = &port;
  uv_unref(reinterpret_cast<uv_handle_t*>(&handle));
}

/// 0, or a negative errno.
int LibuvEngine::watch(Port& port, int events, uv_poll_cb ready) {
  if (!port.polled) {
    const auto init = [&](int fd) { return sys::uv::poll(*loop_, port.poll, fd); };
    if (const int error = underFreeNumber(port, init)) return error;
    port.polled = true;
    adopt(port.poll, port);
  }
  if (const int error = closedElsewhere(port.twin ? port.twin : port.fd)) return error;
  return sys::uv::startPoll(port.poll, events, ready);
}

void LibuvEngine::unwatch(Port& port) {
  if (std::exchange(port.polled, false)) uv_close(reinterpret_cast<uv_handle_t*>(&port.poll), onClosed);
}

/// Opens with the descriptor, or, when the loop still knows one of that number, which somebody closed behind
/// its back, with a duplicate of another number. 0, or a negative errno.
template <class Open>
int LibuvEngine::underFreeNumber(Port& port, Open&& open) {
  const int error = open(port.twin ? port.twin.get() : port.fd.get());
  if (error != UV_EEXIST || port.twin) return error;
  const int twin = sys::duplicate(port.fd.get());
  if (twin < 0) return twin;
  port.twin = Fd(twin);
  return open(twin);
}

/// The stream over a connected descriptor, which is libuv's to close from now on. 0, or a negative errno.
int LibuvEngine::openStream(Port& port) {
  if (port.opened) return port.openError;
  const auto address = localAddress(port.fd.get());
  if (!address) return -address.failure().error;
  const bool local = address->family() == AF_UNIX;
  if (local) {
    uv_pipe_init(loop_, &port.pipe, 0);
  } else {
    uv_tcp_init(loop_, &port.tcp);
  }
  port.opened = true;
  adopt(port.handle, port);
  return port.openError = underFreeNumber(port, [&](int fd) {
           return local ? sys::uv::open(port.pipe, fd) : sys::uv::open(port.tcp, fd);
         });
}

// ---- Accepting ----

void LibuvEngine::accept(Port& port, bool once) {
  port.once = once;
  if (port.accepting || port.acceptUntold || port.forgetting) return;
  port.accepting = true;
  const int error = watch(port, UV_READABLE, onAcceptable);
  if (error == 0) return;
  port.accepting = false;
  port.acceptUntold = true;
  completions_.push_back({Kind::acceptFailed, &port, -error});
}

void LibuvEngine::stopAccepting(Port& port) {
  if (std::exchange(port.accepting, false)) uv_poll_stop(&port.poll);
}

void LibuvEngine::onAcceptable(uv_poll_t* poll, int status, int) {
  Port& port = called<Port>(poll->data);
  LibuvEngine& engine = *port.engine;
  for (int i = 0; i < kAcceptsPerPass && port.accepting; i++) {
    engine.counters_.syscalls.add();
    const int fd = sys::accept(port.fd.get());
    const int error = -fd;
    if (fd < 0 && isTransient(error) && status == 0) return;
    if (fd < 0 || port.once) {
      engine.stopAccepting(port);
      port.acceptUntold = true;
    }
    if (fd < 0) {
      engine.completions_.push_back({Kind::acceptFailed, &port, error});
    } else {
      engine.completions_.push_back({Kind::accepted, &port, fd});
    }
  }
}

// ---- Connecting ----

void LibuvEngine::connect(Port& port) {
  const int error = watch(port, UV_WRITABLE, onConnected);
  if (error != 0) completions_.push_back({Kind::connected, &port, -error});
}

void LibuvEngine::onConnected(uv_poll_t* poll, int status, int) {
  Port& port = called<Port>(poll->data);
  // libuv shows any error of a socket as EBADF; the socket itself knows which it was.
  const int error = takeSocketError(port.fd.get());
  port.engine->unwatch(port);
  port.engine->completions_.push_back({Kind::connected, &port, error != 0 ? error : -status});
}

// ---- Receiving ----

void LibuvEngine::receive(Port& port) {
  if (port.receiving || port.endUntold || port.forgetting) return;
  port.receiving = true;
  if (!port.starved) startReading(port);
}

void LibuvEngine::startReading(Port& port) {
  int error = openStream(port);
  if (error == 0) error = closedElsewhere(port.fd);
  if (error == 0) error = sys::uv::startReading(port.stream, onAllocate, onRead);
  if (error != 0) endReceiving(port, -error);
}

void LibuvEngine::endReceiving(Port& port, int error) {
  port.receiving = false;
  port.endUntold = true;
  completions_.push_back({Kind::receiveEnded, &port, error});
}

void LibuvEngine::stopReceiving(Port& port) {
  if (!std::exchange(port.receiving, false) || port.forgetting) return;
  unlist(port);
  uv_read_stop(&port.stream);
}

/// Where to read to. Nothing ends the stream's turn: without a block until there is one, else until `reap`.
void LibuvEngine::onAllocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  Port& port = called<Port>(handle->data);
  LibuvEngine& engine = *port.engine;
  *buffer = uv_buf_init(nullptr, 0);
  const size_t most = std::min(port.room, kBytesPerPass);
  if (port.unreported >= most) return;
  if (port.readFault.ask(sys::Point::uv_read)) return;
  if (!engine.block_.ensure()) {
    engine.counters_.exhausted.add();
    port.starved = true;
    engine.starved_.push_back(&port);
    return;
  }
  const size_t length = std::min(most - port.unreported, engine.block_.room());
  *buffer = uv_buf_init(reinterpret_cast<char*>(engine.block_.end()), narrow<unsigned>(length));
}

void LibuvEngine::onRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  Port& port = called<Port>(stream->data);
  LibuvEngine& engine = *port.engine;
  if (const int error = port.readFault.take()) return engine.readFailed(port, error);
  if (count == UV_ENOBUFS && !buffer->base) {
    // Not in the allocation callback, after which libuv calls this one. Without a block the descriptor would
    // be reported again and again (N5).
    if (port.starved) uv_read_stop(stream);
    return;
  }
  engine.counters_.syscalls.add();
  if (count == 0) return;
  if (count > 0) {
    const auto length = static_cast<size_t>(count);
    const uint32_t block = engine.block_.index();
    port.unreported += length;
    engine.completions_.push_back({Kind::received, &port, count, block, engine.block_.fill(length)});
    return;
  }
  // libuv takes a hang-up that comes with data for an end of stream, be it a reset, so the socket is asked.
  // To the socket a reset is EPIPE when the peer had ended before (N15).
  int error = count == UV_EOF ? takeSocketError(port.fd.get()) : narrow<int>(-count);
  if (error == EPIPE) error = ECONNRESET;
  engine.endReceiving(port, error);
}

/// A read met an error, and libuv may go on reading: as it does after an error of its own, it is stopped.
void LibuvEngine::readFailed(Port& port, int error) {
  if (isTransient(error)) return;
  uv_read_stop(&port.stream);
  endReceiving(port, error);
}

void LibuvEngine::unlist(Port& port) {
  if (std::exchange(port.starved, false)) std::erase(starved_, &port);
}

void LibuvEngine::replenish() {
  if (starved_.empty()) return;
  std::vector<Port*> ports;
  ports.swap(starved_);
  for (Port* port : ports) {
    port->starved = false;
    startReading(*port);
  }
}

// ---- Sending ----

void LibuvEngine::send(Port& port) {
  counters_.syscalls.add();
  int64_t result = trySend(port);
  if (result == UV_EAGAIN) {
    if (!own_ && awaitRoom(port)) return;
    const uv_buf_t piece = uv_buf_init(static_cast<char*>(port.parts[0].iov_base),
                                       narrow<unsigned>(std::min(port.parts[0].iov_len, kPiece)));
    port.write.data = &port;
    result = sys::uv::write(port.write, port.stream, piece, onWritten);
    if (result == 0) {
      port.writing = piece.len;
      return;
    }
  }
  completions_.push_back({Kind::sent, &port, result});
}

/// What the kernel takes at once: a count, or a negative errno.
int64_t LibuvEngine::trySend(Port& port) {
  if (const int error = openStream(port)) return error;
  // libuv's own writes raise SIGPIPE. A network thread has it blocked; on Node's it may be deadly (N9).
  if (!own_) return sendParts(port.fd.get(), port.parts, port.partCount);
  uv_buf_t parts[PortBase::kMaxParts];
  unsigned count = 0;
  // What follows a part that is cut does not go out before the rest of that part.
  for (bool whole = true; whole && count < narrow<unsigned>(port.partCount); count++) {
    const iovec& part = port.parts[count];
    whole = part.iov_len <= kMostPerPart;
    parts[count] = uv_buf_init(static_cast<char*>(part.iov_base),
                               narrow<unsigned>(std::min(part.iov_len, kMostPerPart)));
  }
  return sys::uv::tryWrite(port.stream, parts, count);
}

/// False when it is refused, for lack of descriptors or memory: then a write request waits for room after all
/// (N20).
bool LibuvEngine::awaitRoom(Port& port) {
  Fd twin(std::max(-1, sys::duplicate(port.fd.get())));
  if (!twin) return false;
  auto room = std::unique_ptr<Room>(new Room{{}, std::move(twin), port});
  if (sys::uv::poll(*loop_, room->poll, room->twin.get()) != 0) return false;
  adopt(room->poll, port);
  port.waiting = room.release();
  port.waiting->poll.data = port.waiting;
  if (sys::uv::startPoll(port.waiting->poll, UV_WRITABLE, onRoom) == 0) return true;
  closeRoom(port);
  return false;
}

void LibuvEngine::closeRoom(Port& port) {
  Room* room = std::exchange(port.waiting, nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&room->poll), [](uv_handle_t* handle) {
    const std::unique_ptr<Room> room(&called<Room>(handle->data));
    closed(room->port);
  });
  room->twin.reset();
}

/// The next attempt says what came of it, be it room or an error.
void LibuvEngine::onRoom(uv_poll_t* poll, int, int) {
  Port& port = called<Room>(poll->data).port;
  closeRoom(port);
  port.engine->completions_.push_back({Kind::sent, &port, 0});
}

void LibuvEngine::onWritten(uv_write_t* write, int status) {
  Port& port = called<Port>(write->data);
  const size_t count = std::exchange(port.writing, 0);
  if (port.forgetting) return;
  port.engine->counters_.syscalls.add();
  port.engine->completions_.push_back(
      {Kind::sent, &port, status == 0 ? static_cast<int64_t>(count) : status});
}

// ---- Closing ----

void LibuvEngine::forget(Port& port) {
  if (port.forgetting) return;
  port.forgetting = true;
  port.accepting = port.receiving = false;
  unlist(port);
  if (port.writing > 0) {
    const size_t sent = port.writing - uv_stream_get_write_queue_size(&port.stream);
    if (sent > 0) completions_.push_back({Kind::sent, &port, static_cast<int64_t>(sent)});
  }
  if (port.waiting) closeRoom(port);
  unwatch(port);
  if (port.opened) {
    Fd& known = port.twin ? port.twin : port.fd;
    if (port.openError == 0 && known.get() > kLastStandardDescriptor) known.release();
    uv_close(&port.handle, onClosed);
  }
  port.twin.reset();
  if (port.unclosed == 0) completions_.push_back({Kind::forgotten, &port});
}

void LibuvEngine::onClosed(uv_handle_t* handle) {
  closed(called<Port>(handle->data));
}

void LibuvEngine::closed(Port& port) {
  if (--port.unclosed == 0 && port.forgetting) port.engine->completions_.push_back({Kind::forgotten, &port});
}

}  // namespace sockman
