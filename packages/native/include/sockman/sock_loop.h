// The life of connections and listeners over an engine, the same for every engine and drive: commands in,
// records out. Everything here is for the driving thread, but for what is marked otherwise.
#pragma once

#include <sys/ioctl.h>

#include "command.h"
#include "deadlines.h"
#include "engine.h"
#include "event_ring.h"
#include "ports.h"
#include "roster.h"
#include "sockets.h"

namespace sockman {

template <Engine E>
class SockLoop {
 public:
  using Port = typename Ports<E>::Port;
  using Connection = typename Ports<E>::Connection;
  using Listener = typename Ports<E>::Listener;
  using Connections = typename Ports<E>::Connections;
  using Listeners = typename Ports<E>::Listeners;

  struct Limits {
    int64_t receiveWindow;
    uint32_t maxConnections;
  };

  SockLoop(std::unique_ptr<E> engine, ReceivePool& pool, EventRing& ring, const Connections& connections,
           const Listeners& listeners, Limits limits)
      : engine_(std::move(engine)),
        pool_(pool),
        ring_(ring),
        connectionSlots_(connections),
        listenerSlots_(listeners),
        limits_(limits) {}
  ~SockLoop() {
    ring_.abandon([](Record& record) {
      if (record.event == Event::accepted && record.a >= 0) ::close(std::exchange(record.a, -1));
    });
  }

  E& engine() const { return *engine_; }
  struct Counters {
    Counter bytesReceived, bytesSent, chunksReceived, acceptErrors, pool;
  };
  /// Any thread.
  const Counters& counters() const { return counters_; }

  // ---- Turns: the drives call these ----

  /// Counts blocks and ring space that JavaScript is done with. Comes before commands: a slot that JavaScript
  /// reuses was consumed before the command that reuses it was posted.
  bool reclaim() {
    const bool any = ring_.reclaim([this](const Record& record) {
      if (record.event != Event::data) return;
      pool_.release(static_cast<uint32_t>(record.block));
      if (record.held) return;
      // Nobody: the connection is gone. Nobody else has its slot yet, since the command that introduces the
      // next owner is executed after this.
      Connection* c = connections_.find({record.slot, static_cast<uint32_t>(record.a)});
      if (c && setUndelivered(*c, c->undelivered - record.length)) updateReceiving(*c);
    });
    if (any) engine_->replenish();
    return any;
  }

  void execute(Command& command) {
    switch (command.op) {
      case Op::stop:
        stopping_ = true;
        return;
      case Op::listen:
        return startListening(*listenerSlots_.at(command.name.slot));
      case Op::closeListener:
        if (Listener* listener = listeners_.find(command.name)) closeListener(*listener);
        return;
      case Op::connect:
        return connect(*connectionSlots_.at(command.name.slot), command.value, command.amount);
      case Op::open:
        return open(*connectionSlots_.at(command.name.slot));
      default:
        // About a connection that is gone: JavaScript had not consumed `closed` when it posted this. The
        // bytes of a `send` stay counted as queued, and are told as unsent.
        if (Connection* c = connections_.find(command.name)) executeOn(*c, command);
    }
  }

  void expire() {
    deadlines_.expire(now(), [this](Port& port) {
      if (port.listening) return retryAccepting(asListener(port));
      Connection& c = asConnection(port);
      if (c.connecting) c.connectError = ETIMEDOUT;
      beginClose(c);
    });
  }
  Time nextDeadline() { return deadlines_.next(); }

  /// Nobody listens any more (the environment ends): drop records from now on and close everything.
  void discard() {
    discarding_ = stopping_ = true;
    connections_.each([this](Connection& c) { beginClose(c); });
    listeners_.each([this](Listener& listener) { closeListener(listener); });
  }
  /// After `stop`: everything is closed and announced.
  bool finished() {
    if (!stopping_ || !connections_.empty() || !listeners_.empty()) return false;
    if (!announced_) {
      announced_ = true;
      push({.event = Event::stopped});
    }
    return discarding_ || ring_.flushed();
  }
  /// Publishes the records of this turn; whether there are any.
  bool publish() { return ring_.publish(); }
  /// JavaScript has something to read.
  bool published() const { return !ring_.empty(); }
  /// Whether JavaScript's progress is what this loop waits for.
  bool starved() const { return !ring_.hasRoom() || engine_->starving() || behind_ > 0; }

  // ---- The engine's sink ----

  bool hasRoom() const { return discarding_ || ring_.hasRoom(); }

  void accepted(typename E::Port& port, int fd) {
    Listener& listener = asListener(port);
    listener.exhausted = false;
    if (listener.closing || discarding_) {
      ::close(fd);
      return;
    }
    if (fd >= E::kDescriptorLimit) {
      ::close(fd);
      counters_.acceptErrors.add();
      report(listener, 0, fd);
      return startAccepting(listener);
    }
    pendingAccepts_++;
    if (full()) {
      listeners_.each([this](Listener& other) { engine_->stopAccepting(other); });
    } else if (limits_.maxConnections > 0) {
      engine_->accept(listener, true);
    }
    push({.event = Event::accepted, .slot = listener.number, .a = fd});
  }

  void acceptFailed(typename E::Port& port, int error) {
    Listener& listener = asListener(port);
    if (listener.closing) return;
    counters_.acceptErrors.add();
    if (isOfConnection(error)) return startAccepting(listener);
    report(listener, error, 0);
    listener.exhausted = true;
    deadlines_.set(listener, now() + kAcceptRetry);
  }

  void connected(typename E::Port& port, int error) {
    Connection& c = asConnection(port);
    if (c.closing || !c.connecting) return;
    if (error != 0) {
      // EPIPE: the peer has accepted, ended and reset before anybody looked. It has no other cause here, and is no
      // answer to a connect.
      c.connectError = error == EPIPE ? ECONNRESET : error;
      return beginClose(c);
    }
    deadlines_.cancel(c);
    c.connecting = false;
    c.started = true;
    push({.event = Event::connected, .slot = c.name.slot});
    establish(c);
  }

  void received(typename E::Port& port, uint32_t block, size_t offset, size_t length) {
    Connection& c = asConnection(port);
    if (c.closing || c.failed || c.flushing || discarding_) {
      pool_.release(block);
      return;
    }
    counters_.bytesReceived.add(length);
    c.bytesReceived.add(length);
    c.lastReceive.set(static_cast<uint64_t>(now()));
    const bool closed = setUndelivered(c, c.undelivered + static_cast<int64_t>(length));
    if (ring_.extend(c.name.slot, static_cast<int32_t>(block), static_cast<int32_t>(offset),
                     static_cast<int32_t>(length))) {
      pool_.release(block);  // one record, one reference
    } else {
      counters_.chunksReceived.add();
      push({.event = Event::data,
            .slot = c.name.slot,
            .block = static_cast<int32_t>(block),
            .offset = static_cast<int32_t>(offset),
            .length = static_cast<int32_t>(length),
            .a = static_cast<int32_t>(c.name.generation)});
    }
    if (closed) updateReceiving(c);
  }

  void receiveEnded(typename E::Port& port, int error) {
    Connection& c = asConnection(port);
    if (c.closing || c.failed || c.flushing) return;
    error = asReset(c, error);
    if (error != 0 && c.latched == 0) c.latched = error;
    if (c.latched != 0) return fail(c, error == 0 || error != c.latched);
    c.eof = true;
    push({.event = Event::eof, .slot = c.name.slot});
    updateReceiving(c);
  }

  void hungUp(typename E::Port& port, int error) {
    Connection& c = asConnection(port);
    if (error == 0 || c.closing || c.failed) return;
    if (c.flushing) return beginClose(c);  // nothing of the queue can arrive any more
    if (c.latched == 0) c.latched = asReset(c, error);
    // Behind, but not paused: what can still be read comes first, and then its end becomes this error.
    if (c.windowClosed && !c.held) return;
    fail(c, false);
  }

  void sent(typename E::Port& port, int64_t count) {
    Connection& c = asConnection(port);
    c.sending = false;
    if (count > 0) {
      consume(c, static_cast<size_t>(count));
      if (!c.queue.empty()) return sendQueued(c);
      push({.event = Event::drained, .slot = c.name.slot});
      shutdownIfDrained(c);
      if (c.flushing) beginClose(c);
      return;
    }
    if (c.closing) return;
    if (count == 0 || isTransient(static_cast<int>(-count))) return sendQueued(c);
    if (c.flushing) return beginClose(c);
    sendFailed(c, static_cast<int>(-count));
  }

  void forgotten(typename E::Port& port) {
    if (static_cast<Port&>(port).listening) return listenerGone(asListener(port));
    Connection& c = asConnection(port);
    c.fd.reset();
    c.queue.clear();
    setWindowClosed(c, false);
    connections_.leave(c);
    push({.event = Event::closed, .slot = c.name.slot, .a = c.connectError});
    listeners_.each([this](Listener& listener) {
      if (listener.exhausted || limits_.maxConnections > 0) retryAccepting(listener);
    });
  }

 private:
  static constexpr Time kAcceptRetry = 1000 * kMillisecond;

  static Connection& asConnection(typename E::Port& port) { return static_cast<Connection&>(port); }
  static Listener& asListener(typename E::Port& port) { return static_cast<Listener&>(port); }

  void push(const Record& record) {
    if (discarding_) {
      if (record.event == Event::data) pool_.release(static_cast<uint32_t>(record.block));
      return;
    }
    counters_.pool.set(pool_.count() * pool_.blockSize());
    ring_.push(record);
  }

  /// What JavaScript asks about a connection that is there.
  void executeOn(Connection& c, Command& command) {
    switch (command.op) {
      case Op::start:
        c.started = true;
        return updateReceiving(c);
      case Op::send:
        c.queue.push_back(std::move(command.chunk));
        return sendQueued(c);
      case Op::shutdown:
        c.shutdownWanted = true;
        return shutdownIfDrained(c);
      case Op::fail:
        return sendFailed(c, command.value);
      case Op::hold:
        c.held = true;
        countBehind(c);
        return updateReceiving(c);
      case Op::resume:
        c.held = false;
        countBehind(c);
        setUndelivered(c, c.undelivered - command.amount);
        return updateReceiving(c);
      case Op::close:
        return close(c, command.value, command.amount);
      default:
        return;
    }
  }

  void enroll(Connection& c) {
    c.room = static_cast<size_t>(limits_.receiveWindow);
    if (pendingAccepts_ > 0 && !c.connecting) pendingAccepts_--;
    connections_.enter(c);
  }
  /// Accepted or adopted.
  void open(Connection& c) {
    enroll(c);
    establish(c);
  }
  void establish(Connection& c) {
    c.established = true;
    if (c.latched != 0) return fail(c, true);  // by a send, before there was a connection
    updateReceiving(c);
    sendQueued(c);
    shutdownIfDrained(c);
  }

  void connect(Connection& c, int error, int64_t timeout) {
    c.connecting = true;
    enroll(c);
    if (error != EINPROGRESS) return connected(c, error);
    if (timeout > 0) deadlines_.set(c, now() + timeout * kMillisecond);
    engine_->connect(c);
  }

  /// Brings the engine in step with what is wanted.
  void updateReceiving(Connection& c) {
    if (!c.established || !c.started || c.closing) return;
    if (c.held || c.windowClosed || c.eof || c.failed || c.flushing) {
      engine_->stopReceiving(c);
    } else {
      engine_->receive(c);
    }
    // A reset that was noticed while paused ends it now.
    if (c.held && c.latched != 0 && !c.failed) fail(c, false);
  }

  /// Closes a window that is full, opens one that is half empty again; whether either happened.
  bool setUndelivered(Connection& c, int64_t bytes) {
    c.undelivered = bytes;
    c.room = bytes < limits_.receiveWindow ? static_cast<size_t>(limits_.receiveWindow - bytes) : 0;
    return setWindowClosed(c, c.windowClosed ? bytes > limits_.receiveWindow / 2 : c.room == 0);
  }
  bool setWindowClosed(Connection& c, bool closed) {
    if (c.windowClosed == closed) return false;
    c.windowClosed = closed;
    countBehind(c);
    return true;
  }
  /// A connection is behind when JavaScript could read on and open its window: one that is paused is not.
  void countBehind(Connection& c) {
    const bool behind = c.windowClosed && !c.held;
    if (behind == c.behind) return;
    c.behind = behind;
    behind_ += behind ? 1 : -1;
  }

  void sendQueued(Connection& c) {
    if (!c.established || c.sending || c.queue.empty() || c.closing || c.failed || c.latched != 0) return;
    c.partCount = 0;
    size_t offset = c.queueOffset;
    for (Chunk::Ptr& chunk : c.queue) {
      if (c.partCount == PortBase::kMaxParts) break;
      c.parts[c.partCount++] = {chunk->bytes() + offset, chunk->size() - offset};
      offset = 0;
    }
    c.sending = true;
    engine_->send(c);
  }
  void consume(Connection& c, size_t count) {
    counters_.bytesSent.add(count);
    c.bytesSent.add(count);
    c.lastSend.set(static_cast<uint64_t>(now()));
    size_t left = count;
    while (left > 0) {
      const size_t rest = c.queue.front()->size() - c.queueOffset;
      if (left < rest) {
        c.queueOffset += left;
        break;
      }
      left -= rest;
      c.queueOffset = 0;
      c.queue.pop_front();
    }
    c.queued.fetch_sub(static_cast<int64_t>(count), std::memory_order_release);
  }
  void shutdownIfDrained(Connection& c) {
    // After an error there is no orderly end: the peer would take what came for all that there was.
    if (!c.shutdownWanted || !c.established || !c.queue.empty() || c.closing || c.latched != 0) return;
    c.shutdownWanted = false;
    c.shutdownDone = true;
    ::shutdown(c.fd.get(), SHUT_WR);
  }

  /// A reset by its name. Only the first that meets it, of the sends and the receives, is told that; the
  /// others meet its consequence, an end of stream (0) or EPIPE. And after the peer's end it is EPIPE for
  /// all.
  static int asReset(const Connection& c, int error) {
    const bool consequence = error == 0 || error == EPIPE;
    return consequence && !c.shutdownDone && isBroken(c.fd.get()) ? ECONNRESET : error;
  }

  /// A send met a permanent error. It is latched; what can still be read is delivered before it is reported.
  void sendFailed(Connection& c, int error) {
    if (c.closing || c.failed) return;
    if (c.flushing) return beginClose(c);
    if (c.latched == 0) c.latched = c.established ? asReset(c, error) : error;
    if (!c.established) return;
    char byte;
    const bool readable = ::recv(c.fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || !isTransient(errno);
    if (c.eof || c.held || !readable) fail(c, true);
  }

  /// Reports the latched error. Nothing but `closed` follows.
  void fail(Connection& c, bool bySend) {
    c.failed = true;
    int unread = 0;
    if (ioctl(c.fd.get(), FIONREAD, &unread) != 0) unread = 0;
    push({.event = Event::error, .slot = c.name.slot, .length = unread, .a = c.latched, .b = bySend});
    updateReceiving(c);
  }

  void close(Connection& c, int32_t flags, int64_t timeout) {
    c.reset = flags & kCloseReset;
    const bool pending = !c.queue.empty() && c.established && !c.failed && c.latched == 0;
    if (!(flags & kCloseFlush) || !pending) return beginClose(c);
    c.flushing = true;
    updateReceiving(c);
    deadlines_.set(c, now() + timeout * kMillisecond);
  }
  void beginClose(Connection& c) {
    if (c.closing) return;
    c.closing = true;
    deadlines_.cancel(c);
    if (c.reset) {
      const linger now{1, 0};
      setsockopt(c.fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    engine_->forget(c);
  }

  bool full() const {
    return limits_.maxConnections > 0 && connections_.size() + pendingAccepts_ >= limits_.maxConnections;
  }
  void startListening(Listener& listener) {
    listeners_.enter(listener);
    startAccepting(listener);
  }
  void startAccepting(Listener& listener) {
    if (!listener.closing && !full()) engine_->accept(listener, limits_.maxConnections > 0);
  }
  /// A listener's errors: at most one a second.
  void report(Listener& listener, int error, int descriptor) {
    const Time time = now();
    if (time - listener.lastError < kAcceptRetry) return;
    listener.lastError = time;
    push({.event = Event::listenError, .slot = listener.number, .a = error, .b = descriptor});
  }
  void retryAccepting(Listener& listener) {
    listener.exhausted = false;
    deadlines_.cancel(listener);
    startAccepting(listener);
  }
  void closeListener(Listener& listener) {
    if (listener.closing) return;
    listener.closing = true;
    deadlines_.cancel(listener);
    engine_->forget(listener);
  }
  void listenerGone(Listener& listener) {
    listener.fd.reset();
    listeners_.leave(listener);
    push({.event = Event::listenerClosed, .slot = listener.number});
  }

  std::unique_ptr<E> engine_;
  ReceivePool& pool_;
  EventRing& ring_;
  const Connections& connectionSlots_;
  const Listeners& listenerSlots_;
  const Limits limits_;
  Deadlines<Port> deadlines_;
  Roster<Connection> connections_;
  Roster<Listener> listeners_;
  uint32_t pendingAccepts_ = 0, behind_ = 0;
  bool stopping_ = false, discarding_ = false, announced_ = false;
  Counters counters_;
};

}  // namespace sockman
