// The life of connections and listeners over an engine, the same for every engine and drive: commands in,
// records out. Everything here is for the driving thread, but for what is marked otherwise.
#pragma once

#include <sys/ioctl.h>

#include <array>
#include <atomic>
#include <deque>

#include "command.h"
#include "deadlines.h"
#include "engine.h"
#include "event_ring.h"
#include "sockets.h"

namespace sockman {

template <Engine E>
class SockLoop {
 public:
  /// Kinds of port share the engine's Port; the tag tells a report which it is about.
  struct Port : E::Port {
    explicit Port(bool listening) : listening(listening) {}
    const bool listening;
    typename Deadlines<Port>::Place deadline;
  };

  struct Connection : Port {
    Connection() : Port(false) {}
    int32_t slot = 0;
    Address peer;  // the JavaScript thread's: it is gone from the socket once the connection broke

    /// Shared. Bytes in the engine's queue: JavaScript adds before it posts a chunk, the engine subtracts
    /// after the kernel took them (release). Zero (acquire) is what lets the JavaScript thread send by
    /// itself: the engine has nothing of this connection in hand then, and gets something only from that same
    /// thread. Only the JavaScript thread lifts it from zero, so the word needs no third state.
    std::atomic<int64_t> queued{0};
    /// Written by whoever may send (see `queued`), read by the JavaScript thread.
    Counter bytesSent, lastSend;
    /// Written by the driving thread.
    Counter bytesReceived, lastReceive;

    // The driving thread's.
    std::deque<Chunk::Ptr> queue;
    size_t queueOffset = 0;  // bytes of the first chunk that are sent
    int64_t undelivered = 0;
    size_t index = 0;  // in connections_
    int latched = 0;   // first permanent error of either direction
    int connectError = 0;
    bool connecting = false, established = false, started = false;
    bool sending = false, held = false, windowClosed = false, behind = false;
    bool eof = false, failed = false, shutdownWanted = false, shutdownDone = false, flushing = false,
         closing = false, reset = false;
  };

  struct Listener : Port {
    Listener() : Port(true) {}
    int32_t number = 0;
    bool closing = false, exhausted = false;
    Time lastError = 0;
  };

  /// Connections by slot. Slots belong to the JavaScript thread; a chunk of the table is published (release,
  /// through the command queue) before the driving thread meets a slot in it, and lives as long as the table.
  class Table {
   public:
    static constexpr int32_t kChunk = 1024;
    static constexpr int32_t kChunks = 1024;
    static constexpr int32_t kSlots = kChunk * kChunks;

    /// JavaScript thread. Null when all 1 048 576 slots are taken.
    Connection* allocate() {
      if (!free_.empty()) {
        const int32_t slot = free_.back();
        free_.pop_back();
        return at(slot);
      }
      if (next_ == kSlots) return nullptr;
      auto& chunk = chunks_[next_ / kChunk];
      if (!chunk) chunk = std::make_unique<Connection[]>(kChunk);
      Connection* connection = at(next_);
      connection->slot = next_++;
      return connection;
    }
    /// JavaScript thread, after `closed` was consumed: the driving thread has let go.
    void free(int32_t slot) {
      Connection* connection = at(slot);
      std::destroy_at(connection);
      std::construct_at(connection);
      connection->slot = slot;
      free_.push_back(slot);
    }
    Connection* at(int32_t slot) { return &chunks_[slot / kChunk][slot % kChunk]; }

   private:
    std::array<std::unique_ptr<Connection[]>, kChunks> chunks_;
    std::vector<int32_t> free_;
    int32_t next_ = 0;
  };

  struct Limits {
    int64_t receiveWindow;
    uint32_t maxConnections;
  };

  SockLoop(std::unique_ptr<E> engine, ReceivePool& pool, EventRing& ring, Table& table, Limits limits)
      : engine_(std::move(engine)), pool_(pool), ring_(ring), table_(table), limits_(limits) {}
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
      // One that is gone is JavaScript's again, and may be another's soon.
      if (!enrolled_[static_cast<size_t>(record.slot)]) return;
      Connection& c = *table_.at(record.slot);
      if (setUndelivered(c, c.undelivered - record.length)) updateReceiving(c);
    });
    if (any) engine_->replenish();
    return any;
  }

  void execute(Command& command) {
    if (command.op == Op::listen || command.op == Op::closeListener) {
      Listener& listener = *static_cast<Listener*>(command.port);
      if (command.op == Op::listen) return startListening(listener);
      return closeListener(listener);
    }
    if (command.op == Op::stop) {
      stopping_ = true;
      return;
    }
    Connection& c = *static_cast<Connection*>(command.port);
    switch (command.op) {
      case Op::connect:
        return connect(c, command.value, command.amount);
      case Op::open:
        return enroll(c), establish(c);
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
    for (Connection* c : connections_) beginClose(*c);
    for (Listener* listener : listeners_) closeListener(*listener);
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
    pendingAccepts_++;
    if (full()) {
      for (Listener* other : listeners_) engine_->stopAccepting(*other);
    } else if (limits_.maxConnections > 0) {
      engine_->accept(listener, true);
    }
    push({.event = Event::accepted, .slot = listener.number, .a = fd});
  }

  void acceptFailed(typename E::Port& port, int error) {
    Listener& listener = asListener(port);
    if (listener.closing) return;
    counters_.acceptErrors.add();
    // accept(2): pending network errors of the new connection are to be treated like EAGAIN.
    const bool exhausted = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
    if (!exhausted) return startAccepting(listener);
    const Time time = now();
    if (time - listener.lastError >= kAcceptRetry) {
      listener.lastError = time;
      push({.event = Event::listenError, .slot = listener.number, .a = error});
    }
    listener.exhausted = true;
    deadlines_.set(listener, time + kAcceptRetry);
  }

  void connected(typename E::Port& port, int error) {
    Connection& c = asConnection(port);
    if (c.closing || !c.connecting) return;
    if (error != 0) {
      c.connectError = error;
      return beginClose(c);
    }
    deadlines_.cancel(c);
    c.connecting = false;
    c.started = true;
    push({.event = Event::connected, .slot = c.slot});
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
    if (ring_.extend(c.slot, static_cast<int32_t>(block), static_cast<int32_t>(offset),
                     static_cast<int32_t>(length))) {
      pool_.release(block);  // one record, one reference
    } else {
      counters_.chunksReceived.add();
      push({.event = Event::data,
            .slot = c.slot,
            .block = static_cast<int32_t>(block),
            .offset = static_cast<int32_t>(offset),
            .length = static_cast<int32_t>(length)});
    }
    if (closed) updateReceiving(c);
  }

  void receiveEnded(typename E::Port& port, int error) {
    Connection& c = asConnection(port);
    if (c.closing || c.failed || c.flushing) return;
    // The send that meets a reset takes its error away, and its report may be under way: what is left looks
    // like an end.
    if (error == 0 && !c.shutdownDone && isBroken(c.fd.get())) error = ECONNRESET;
    if (error != 0 && c.latched == 0) c.latched = error;
    if (c.latched != 0) return fail(c, error == 0 || error != c.latched);
    c.eof = true;
    push({.event = Event::eof, .slot = c.slot});
    updateReceiving(c);
  }

  void hungUp(typename E::Port& port, int error) {
    Connection& c = asConnection(port);
    if (error == 0 || c.closing || c.failed) return;
    if (c.latched == 0) c.latched = error;
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
      push({.event = Event::drained, .slot = c.slot});
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
    Connection* last = connections_.back();
    connections_[last->index = c.index] = last;
    connections_.pop_back();
    enrolled_[static_cast<size_t>(c.slot)] = false;
    const int64_t unsent = c.queued.load(std::memory_order_relaxed);
    push({.event = Event::closed,
          .slot = c.slot,
          .length = static_cast<int32_t>(unsent & 0xffffffff),
          .a = c.connectError,
          .b = static_cast<int32_t>(unsent >> 32)});
    for (Listener* listener : listeners_) {
      if (listener->exhausted || limits_.maxConnections > 0) retryAccepting(*listener);
    }
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

  void enroll(Connection& c) {
    c.room = static_cast<size_t>(limits_.receiveWindow);
    const auto slot = static_cast<size_t>(c.slot);
    if (slot >= enrolled_.size()) enrolled_.resize(slot + 1);
    enrolled_[slot] = true;
    if (pendingAccepts_ > 0 && !c.connecting) pendingAccepts_--;
    c.index = connections_.size();
    connections_.push_back(&c);
  }
  void establish(Connection& c) {
    c.established = true;
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
    if (!c.shutdownWanted || !c.established || !c.queue.empty() || c.closing) return;
    c.shutdownWanted = false;
    c.shutdownDone = true;
    ::shutdown(c.fd.get(), SHUT_WR);
  }

  /// A send met a permanent error. It is latched; what can still be read is delivered before it is reported.
  void sendFailed(Connection& c, int error) {
    if (c.closing || c.failed || !c.established) return;
    if (c.flushing) return beginClose(c);
    // Whoever meets a reset second, this send or a receive under way, is told of its consequence only.
    if (error == EPIPE && !c.shutdownDone && isBroken(c.fd.get())) error = ECONNRESET;
    if (c.latched == 0) c.latched = error;
    char byte;
    const bool readable = ::recv(c.fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || !isTransient(errno);
    if (c.eof || c.held || !readable) fail(c, true);
  }
  /// Reports the latched error. Nothing but `closed` follows.
  void fail(Connection& c, bool bySend) {
    c.failed = true;
    int unread = 0;
    if (ioctl(c.fd.get(), FIONREAD, &unread) != 0) unread = 0;
    push({.event = Event::error, .slot = c.slot, .length = unread, .a = c.latched, .b = bySend});
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
    listeners_.push_back(&listener);
    startAccepting(listener);
  }
  void startAccepting(Listener& listener) {
    if (!listener.closing && !full()) engine_->accept(listener, limits_.maxConnections > 0);
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
    std::erase(listeners_, &listener);
    push({.event = Event::listenerClosed, .slot = listener.number});
  }

  std::unique_ptr<E> engine_;
  ReceivePool& pool_;
  EventRing& ring_;
  Table& table_;
  const Limits limits_;
  Deadlines<Port> deadlines_;
  std::vector<Connection*> connections_;
  std::vector<bool> enrolled_;  // by slot: known to this thread
  std::vector<Listener*> listeners_;
  uint32_t pendingAccepts_ = 0, behind_ = 0;
  bool stopping_ = false, discarding_ = false, announced_ = false;
  Counters counters_;
};

}  // namespace sockman
