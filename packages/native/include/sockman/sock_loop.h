// The life of connections and listeners over an engine, the same for every engine and drive: commands in,
// records out. Everything here is for the driving thread, but for what is marked otherwise. A number such as
// N33 is a line of docs/native.md.
#pragma once

#include <algorithm>
#include <bit>
#include <vector>

#include "check.h"
#include "command.h"
#include "deadlines.h"
#include "engine.h"
#include "event_ring.h"
#include "narrow.h"
#include "ports.h"
#include "roles.h"
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
    int64_t receiveRate, sendRate;  // bytes per second over all connections, 0 for no limit
  };

  SockLoop(std::unique_ptr<E> engine, ReceivePool& pool, EventRing& ring, const Connections& connections,
           const Listeners& listeners, Limits limits)
      : engine_(std::move(engine)),
        pool_(pool),
        ring_(ring),
        connectionSlots_(connections),
        listenerSlots_(listeners),
        limits_(limits),
        pacer_(limits.receiveRate, limits.sendRate) {}
  /// A descriptor that JavaScript has not taken still belongs to its record (N31).
  ~SockLoop() {
    ring_.abandon([](Record& record) {
      if (record.event == Event::accepted) const Fd untaken(std::exchange(record.a, -1));
    });
  }

  E& engine() const { return *engine_; }
  struct Counters {
    Counter bytesReceived, bytesSent, chunksReceived, acceptErrors, pool, overflows;
    Counter dropped;  // bytes that were to be sent, and their connection had gone
  };
  /// Any thread.
  const Counters& counters() const { return counters_; }

  // ---- Turns: the drives call these ----

  /// Counts blocks and ring space that JavaScript is done with. The drives call this before they execute
  /// commands: else a record of a slot's former owner would be counted for the next (N33).
  void reclaim() SOCKMAN_REQUIRES(drivingThread) {
    reclaimed_ |= ring_.reclaim([this](const Record& record) SOCKMAN_REQUIRES(drivingThread) {
      if (record.event != Event::data && record.event != Event::idle) return;
      if (record.event == Event::data) pool_.release(narrow<uint32_t>(record.block));
      if (record.held) return;
      // Null when the connection is gone; the slot has no next owner yet (N33). A flush has no window.
      Connection* c = connections_.find({record.slot, std::bit_cast<uint32_t>(record.a)});
      if (c && record.event == Event::idle) {
        c->driving.idleUntold = false;
      } else if (c && !c->driving.flushing && setUndelivered(*c, c->driving.undelivered - record.length)) {
        await(*c);
      }
    });
  }
  /// Starts what waited for what JavaScript has given back. The drives call this after the commands: one of them may
  /// stop the same connection, and what a receive took in between would be neither told nor counted as unread (C36).
  void goOn() SOCKMAN_REQUIRES(drivingThread) {
    if (!std::exchange(reclaimed_, false)) return;
    engine_->replenish();
    if (!ring_.hasRoom()) return;
    while (!waiting_.empty()) {
      Connection& c = *waiting_.back();
      awaitNoMore(c);
      updateReceiving(c);
    }
    if (!std::exchange(acceptsWait_, false)) return;
    listeners_.each([this](Listener& listener) SOCKMAN_REQUIRES(drivingThread) {
      if (!listener.driving.exhausted) startAccepting(listener);
    });
  }

  void execute(Command& command) SOCKMAN_REQUIRES(drivingThread) {
    switch (command.op) {
      case Op::stop:
        stopping_ = true;
        // The owner waits for the end, not for peers that do not read: what a flush has not sent is told as
        // unsent.
        return connections_.each([this](Connection& c) SOCKMAN_REQUIRES(drivingThread) {
          if (c.driving.flushing) endFlush(c);
        });
      case Op::listen:
        return startListening(*listenerSlots_.at(command.name.slot));
      case Op::closeListener:
        if (Listener* listener = listeners_.find(command.name)) closeListener(*listener);
        return;
      case Op::connect:
        return connect(*connectionSlots_.at(command.name.slot), command.value, command.amount);
      case Op::open:
        return open(*connectionSlots_.at(command.name.slot), command.value == kAccepted);
      case Op::refuse:
        return refused(command.value == 0 ? nullptr : listeners_.find(command.name), command.value);
      default:
        // The connection is gone when JavaScript had not consumed `closed` yet as it posted the command
        // (N30). The bytes of a dropped `send` stay counted as queued, and are told as unsent (N37).
        if (Connection* c = connections_.find(command.name)) return executeOn(*c, command);
        if (command.chunk) counters_.dropped.add(command.chunk->size());
    }
  }

  /// Judges the deadlines that had passed at `looked`. The drive has reaped since what the kernel had then: a
  /// connect that the kernel finished in time has not failed because this process was late (N67).
  void expire(Time looked) SOCKMAN_REQUIRES(drivingThread) {
    deadlines_.expire(looked, [this, looked](Port& port) {
      drivingThread.assertHeld();  // deadlines are kept by other threads too, and know no role
      if (port.listening) return retryAccepting(asListener(port));
      Connection& c = asConnection(port);
      if (c.driving.flushing) return endFlush(c);
      if (!c.driving.connecting) return judgeIdle(c, looked);
      c.driving.connectError = ETIMEDOUT;
      beginClose(c);
    });
    pacer_.expire(looked, [this](Paced<Connection>& direction) {
      drivingThread.assertHeld();
      Connection& c = direction.owner;
      direction.flow == Flow::receive ? updateReceiving(c) : sendQueued(c);
    });
  }
  Time nextDeadline() SOCKMAN_REQUIRES(drivingThread) {
    Time next = std::min(deadlines_.next(), pacer_.next());
    if constexpr (requires { engine_->askAgain(); }) next = std::min(next, engine_->askAgain());
    return next;
  }

  /// JavaScript runs no more (the environment ends): drops records from now on and closes everything (N50).
  void discard() SOCKMAN_REQUIRES(drivingThread) {
    discarding_ = stopping_ = true;
    connections_.each([this](Connection& c) SOCKMAN_REQUIRES(drivingThread) { beginClose(c); });
    listeners_.each([this](Listener& listener) SOCKMAN_REQUIRES(drivingThread) { closeListener(listener); });
  }
  /// After `stop`: everything is closed and announced.
  bool finished() SOCKMAN_REQUIRES(drivingThread) {
    if (!stopping_ || !connections_.empty() || !listeners_.empty()) return false;
    if (!announced_) {
      announced_ = true;
      push({.event = Event::stopped});
    }
    return discarding_ || ring_.flushed();
  }
  /// Publishes the records of this turn; whether there are any.
  bool publish() SOCKMAN_REQUIRES(drivingThread) { return ring_.publish(); }
  /// JavaScript has something to read.
  bool published() const SOCKMAN_REQUIRES(javascriptThread) { return !ring_.empty(); }
  /// Whether JavaScript's progress is what this loop waits for (N7).
  bool starved() const SOCKMAN_REQUIRES(drivingThread) {
    return !ring_.hasRoom() || engine_->starving() || behind_ > 0;
  }

  // ---- The engine's sink ----

  void accepted(typename E::Port& port, int fd) SOCKMAN_REQUIRES(drivingThread) {
    Listener& listener = asListener(port);
    Fd owned(fd);
    listener.driving.exhausted = false;
    if (listener.driving.closing || discarding_) return;
    if (fd >= E::kDescriptorLimit) {
      counters_.acceptErrors.add();  // before the peer can see its end
      owned.reset();
      report(listener, 0, fd);
      return startAccepting(listener);
    }
    pendingAccepts_++;
    push({.event = Event::accepted, .slot = listener.number, .a = owned.release()});
    if (stopAcceptingIfFull()) return;
    if (!ring_.hasRoom()) engine_->stopAccepting(listener);
    // With a finite maxConnections each accept is single (N17).
    if (limits_.maxConnections > 0 || !ring_.hasRoom()) startAccepting(listener);
  }

  void acceptFailed(typename E::Port& port, int error) SOCKMAN_REQUIRES(drivingThread) {
    Listener& listener = asListener(port);
    if (listener.driving.closing) return;
    counters_.acceptErrors.add();
    if (isOfConnection(error)) return startAccepting(listener);
    report(listener, error, 0);
    listener.driving.exhausted = true;
    deadlines_.set(listener, now() + kAcceptRetry);
  }

  void connected(typename E::Port& port, int error) SOCKMAN_REQUIRES(drivingThread) {
    Connection& c = asConnection(port);
    if (c.driving.closing || !c.driving.connecting) return;
    if (error != 0) {
      // EPIPE is no answer to a connect: the peer accepted, ended and reset before anybody looked (N16).
      c.driving.connectError = error == EPIPE ? ECONNRESET : error;
      return beginClose(c);
    }
    if (!c.driving.flushing) deadlines_.cancel(c);  // the bound of a flush is not the connect's
    c.driving.connecting = false;
    push({.event = Event::connected, .slot = c.name.slot});
    establish(c);
  }

  void received(typename E::Port& port, uint32_t block, size_t offset, size_t length)
      SOCKMAN_REQUIRES(drivingThread) {
    Connection& c = asConnection(port);
    if (c.driving.closing || c.driving.failed || c.driving.flushing || discarding_) {
      pool_.release(block);
      return;
    }
    counters_.bytesReceived.add(length);
    c.shared.bytesReceived.add(length);
    c.shared.lastReceive.set(static_cast<uint64_t>(now()));
    const bool spent = c.driving.pace && takeReceived(c, length);
    const bool closed = setUndelivered(c, c.driving.undelivered + static_cast<int64_t>(length));
    if (ring_.extend(c.name.slot, narrow<int32_t>(block), narrow<int32_t>(offset), narrow<int32_t>(length))) {
      pool_.release(block);  // the record grew: one record, one reference (N54)
    } else {
      counters_.chunksReceived.add();
      push({.event = Event::data,
            .slot = c.name.slot,
            .block = narrow<int32_t>(block),
            .offset = narrow<int32_t>(offset),
            .length = narrow<int32_t>(length),
            .a = std::bit_cast<int32_t>(c.name.generation)});
    }
    if (!ring_.hasRoom()) await(c);
    if (!ring_.hasRoom() || closed || spent) updateReceiving(c);
  }

  void receiveEnded(typename E::Port& port, int error) SOCKMAN_REQUIRES(drivingThread) {
    Connection& c = asConnection(port);
    if (c.driving.closing || c.driving.failed) return;
    error = asReset(c, error);
    if (c.driving.flushing && error != 0) return flushFailed(c);
    if (error != 0 && c.driving.latched == 0) c.driving.latched = error;
    if (c.driving.latched != 0) return fail(c, error == 0 || error != c.driving.latched);
    c.driving.eof = true;
    push({.event = Event::eof, .slot = c.name.slot});
    updateReceiving(c);
    finishFlush(c);
  }

  void hungUp(typename E::Port& port, int error) SOCKMAN_REQUIRES(drivingThread) {
    if (static_cast<Port&>(port).listening) return;  // its next accept says what is wrong
    Connection& c = asConnection(port);
    if (c.driving.closing || c.driving.failed) return;
    if (c.driving.flushing) return flushFailed(c);
    if (c.driving.latched == 0) c.driving.latched = asReset(c, error);
    // The window or the ring is full, but the connection is not paused: what can still be read comes first, and
    // the end of it becomes this error (N46).
    if (isBehind(c) && !c.driving.held) return;
    fail(c, false);
  }

  void sent(typename E::Port& port, int64_t count) SOCKMAN_REQUIRES(drivingThread) {
    Connection& c = asConnection(port);
    SOCKMAN_CHECK(c.driving.sending);  // else the parts are not those that it tells of
    c.driving.sending = false;
    if (count > 0) consume(c, static_cast<size_t>(count));
    if (c.driving.pace) pacer_.took(c.driving.pace->send, static_cast<size_t>(std::max<int64_t>(0, count)));
    if (c.driving.failed) return dropQueue(c);
    if (count > 0) {
      if (!c.driving.queue.empty()) {
        tellMark(c);
        return sendQueued(c);
      }
      c.driving.mark = 0;
      push({.event = Event::drained, .slot = c.name.slot});
      return shutdownIfDrained(c);
    }
    if (c.driving.closing) return;
    if (count == 0 || isTransient(narrow<int>(-count))) return sendQueued(c);
    sendFailed(c, narrow<int>(-count));
  }

  void forgotten(typename E::Port& port) SOCKMAN_REQUIRES(drivingThread) {
    if (static_cast<Port&>(port).listening) return listenerGone(asListener(port));
    Connection& c = asConnection(port);
    SOCKMAN_CHECK(c.driving.closing);
    SOCKMAN_CHECK(!c.deadline);  // else the slot's next owner would meet it
    c.fd.reset();
    dropQueue(c);
    setWindowClosed(c, false);
    connections_.leave(c);
    pacer_.divide(connections_.size());
    push({.event = Event::closed, .slot = c.name.slot, .a = c.driving.connectError});
    // One connection less: a listener may have a descriptor again (N43), or a place (N17).
    listeners_.each([this](Listener& listener) SOCKMAN_REQUIRES(drivingThread) {
      if (listener.driving.exhausted || limits_.maxConnections > 0) retryAccepting(listener);
    });
  }

 private:
  /// How long a listener waits after an error that is not the new connection's own, and tells of no other
  /// (N43).
  static constexpr Time kAcceptRetry = 1000 * kMillisecond;

  /// What a report is about. Taken for the other kind, a port would be written to beyond its end (N36).
  static Connection& asConnection(typename E::Port& port) {
    SOCKMAN_CHECK(!static_cast<Port&>(port).listening);
    return static_cast<Connection&>(port);
  }
  static Listener& asListener(typename E::Port& port) {
    SOCKMAN_CHECK(static_cast<Port&>(port).listening);
    return static_cast<Listener&>(port);
  }

  void push(const Record& record) SOCKMAN_REQUIRES(drivingThread) {
    if (discarding_) {
      if (record.event == Event::data) pool_.release(narrow<uint32_t>(record.block));
      return;
    }
    counters_.pool.set(pool_.count() * pool_.blockSize());
    const bool hadRoom = ring_.hasRoom();
    ring_.push(record);
    if (hadRoom && !ring_.hasRoom()) counters_.overflows.add();
  }

  /// An empty queue is told of anyway.
  void tellMark(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.mark == 0 || static_cast<int64_t>(c.shared.bytesSent.get()) < c.driving.mark) return;
    c.driving.mark = 0;
    push({.event = Event::drained, .slot = c.name.slot});
  }

  /// What JavaScript asks about a connection that is there.
  void executeOn(Connection& c, Command& command) SOCKMAN_REQUIRES(drivingThread) {
    switch (command.op) {
      case Op::start:
        c.driving.started = true;
        return updateReceiving(c);
      case Op::send:
        if (c.driving.failed) return counters_.dropped.add(command.chunk->size());
        if (c.driving.queue.empty() || !Chunk::gatherSmall(*c.driving.queue.back(), command.chunk))
          c.driving.queue.push_back(std::move(command.chunk));
        return sendQueued(c);
      case Op::shutdown:
        c.driving.shutdownWanted = true;
        return shutdownIfDrained(c);
      case Op::notify:
        c.driving.mark = command.amount;
        return tellMark(c);
      case Op::limit:
        return limit(c, static_cast<Limit>(command.value), command.amount);
      case Op::fail:
        return sendFailed(c, command.value);
      case Op::hold:
        c.driving.held = true;
        countBehind(c);
        return updateReceiving(c);
      case Op::resume:
        c.driving.held = false;
        countBehind(c);
        setUndelivered(c, c.driving.undelivered - command.amount);
        return updateReceiving(c);
      case Op::close:
        return close(c, command.value, command.amount);
      default:
        return;
    }
  }

  void enroll(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    c.room = static_cast<size_t>(limits_.receiveWindow);
    if (pacer_.limitsAll()) paceOf(c);
    connections_.enter(c);
    if (pacer_.limitsAll() && pacer_.divide(connections_.size())) {
      const size_t share = pacer_.share(Flow::receive);
      connections_.each([this, share](Connection& each) SOCKMAN_REQUIRES(drivingThread) {
        if (each.driving.pace->receive.granted > share) regrant(each, share);
      });
    }
    stopAcceptingIfFull();
  }
  /// Accepted or adopted.
  void open(Connection& c, bool accepted) SOCKMAN_REQUIRES(drivingThread) {
    if (accepted) {
      SOCKMAN_CHECK(pendingAccepts_ > 0);  // below, accepting would stop for good
      pendingAccepts_--;
    }
    enroll(c);
    // JavaScript opens nothing after `stop`. If it did, the end would be waited for in vain.
    if (stopping_) return beginClose(c);
    establish(c);
  }
  void establish(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    c.driving.established = true;
    if (c.driving.latched != 0) return fail(c, true);  // by a send, before there was a connection
    awaitIdle(c);
    updateReceiving(c);
    sendQueued(c);
    shutdownIfDrained(c);
  }

  /// An accepted descriptor was closed unseen: it takes no place any more.
  void refused(Listener* listener, int error) SOCKMAN_REQUIRES(drivingThread) {
    SOCKMAN_CHECK(pendingAccepts_ > 0);
    pendingAccepts_--;
    if (listener && !listener->driving.closing) {
      counters_.acceptErrors.add();
      report(*listener, error, 0);
    }
    if (limits_.maxConnections > 0) {
      listeners_.each([this](Listener& each) SOCKMAN_REQUIRES(drivingThread) { startAccepting(each); });
    }
  }

  void connect(Connection& c, int error, int64_t timeout) SOCKMAN_REQUIRES(drivingThread) {
    c.driving.connecting = true;
    enroll(c);
    if (stopping_) return beginClose(c);
    if (error != EINPROGRESS) return connected(c, error);
    if (timeout > 0) deadlines_.set(c, now() + timeout * kMillisecond);
    engine_->connect(c);
  }

  /// Brings the engine in step with what is wanted.
  void updateReceiving(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (!c.driving.established || !c.driving.started || c.driving.closing) return;
    const bool full = c.driving.windowClosed || c.driving.waiting;
    if (c.driving.held || full || c.driving.eof || c.driving.failed || !mayReceive(c)) {
      engine_->stopReceiving(c);
    } else {
      engine_->receive(c);
    }
    // Nothing is read while the connection is paused, so an error that was latched is told now (N15).
    if (c.driving.held && c.driving.latched != 0 && !c.driving.failed) fail(c, false);
  }

  /// Closes a window that is full, opens one that is half empty again (N28); whether either happened.
  bool setUndelivered(Connection& c, int64_t bytes) SOCKMAN_REQUIRES(drivingThread) {
    SOCKMAN_CHECK(bytes >= 0);  // below, the window would grow
    c.driving.undelivered = bytes;
    setRoom(c);
    const int64_t most = c.driving.windowClosed ? limits_.receiveWindow / 2 : limits_.receiveWindow - 1;
    return setWindowClosed(c, bytes > most);
  }
  void setRoom(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    const int64_t left = limits_.receiveWindow - c.driving.undelivered;
    c.room = left > 0 ? static_cast<size_t>(left) : 0;
    if (c.driving.pace) c.room = std::min(c.room, c.driving.pace->receive.granted);
  }
  bool setWindowClosed(Connection& c, bool closed) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.windowClosed == closed) return false;
    c.driving.windowClosed = closed;
    countBehind(c);
    return true;
  }
  /// A connection is behind when JavaScript could read on and open its window: one that is paused is not.
  void countBehind(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    const bool behind = c.driving.windowClosed && !c.driving.held;
    if (behind == c.driving.behind) return;
    c.driving.behind = behind;
    behind ? behind_++ : behind_--;
  }

  /// Something may have come that this side does not take for now.
  static bool isBehind(const Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    return c.driving.windowClosed || c.driving.waiting || (c.driving.pace && c.driving.pace->receive.waits());
  }

  // ---- Limits (N74) ----

  void limit(Connection& c, Limit which, int64_t amount) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.closing || c.driving.flushing) return;
    if (which == Limit::idleTimeout) {
      c.driving.idleTimeout = amount * kMillisecond;
      if (c.driving.established) awaitIdle(c);
      return;
    }
    typename Connection::Pace& pace = paceOf(c);
    Paced<Connection>& direction = which == Limit::receiveRate ? pace.receive : pace.send;
    if (c.driving.sending && !direction.own.limits()) direction.unlimited = which == Limit::sendRate;
    pacer_.setRate(direction, amount);
    if (which == Limit::sendRate) return sendQueued(c);
    // What was granted by another rate is no more than a burst of this one, else it stays: a rate that is set again and
    // again would leave nothing to receive.
    const size_t most = amount > 0 ? static_cast<size_t>(direction.own.most()) : SIZE_MAX;
    if (direction.granted == 0 || direction.granted > most) regrant(c, std::min(direction.granted, most));
  }
  /// What was granted before is no room any more: what is under way with it has to end (E6).
  void regrant(Connection& c, size_t granted) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.closing || c.driving.flushing) return;
    c.driving.pace->receive.granted = granted;
    setRoom(c);
    if (!c.driving.established || !c.driving.started) return;
    engine_->stopReceiving(c);
    updateReceiving(c);
  }
  typename Connection::Pace& paceOf(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (!c.driving.pace) {
      c.driving.pace = std::make_unique<typename Connection::Pace>(c);
      if (pacer_.limitsAll()) c.driving.pace->receive.granted = 0;
    }
    return *c.driving.pace;
  }
  /// Whether the limits let it; if they do not, it waits.
  bool mayReceive(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (!c.driving.pace || c.driving.flushing) return true;
    Paced<Connection>& direction = c.driving.pace->receive;
    if (direction.granted == 0 && !direction.waits()) direction.granted = pacer_.grant(direction);
    setRoom(c);
    return direction.granted > 0;
  }
  /// Whether that was the last of what was granted.
  bool takeReceived(Connection& c, size_t length) SOCKMAN_REQUIRES(drivingThread) {
    Paced<Connection>& direction = c.driving.pace->receive;
    pacer_.took(direction, length);
    // Less than came: a rate that was set meanwhile.
    direction.granted -= std::min(direction.granted, length);
    return direction.granted == 0;
  }
  /// The time of being idle begins.
  void awaitIdle(Connection& c, Time since = now()) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.flushing || c.driving.closing) return;
    if (c.driving.idleTimeout == 0) return deadlines_.cancel(c);
    c.driving.idleSince = since;
    deadlines_.set(c, c.driving.idleSince + c.driving.idleTimeout);
  }
  /// The deadline is that of the last time anybody looked: bytes do not move it, it is moved here.
  void judgeIdle(Connection& c, Time looked) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.failed) return;
    const auto moved = static_cast<Time>(std::max(c.shared.lastReceive.get(), c.shared.lastSend.get()));
    const Time due = std::max(moved, c.driving.idleSince) + c.driving.idleTimeout;
    if (due > looked) return deadlines_.set(c, due);
    // What this side does not take, has not told or holds back itself is no silence of the peer's: one reap may leave
    // many ports unread (N44). While JavaScript does not look, it is not told again.
    const bool behind = c.driving.undelivered > 0 || sys::unread(c.fd.get()) > 0 ||
                        (c.driving.pace && c.driving.pace->send.waits());
    if (!behind && !std::exchange(c.driving.idleUntold, true))
      push({.event = Event::idle, .slot = c.name.slot, .a = std::bit_cast<int32_t>(c.name.generation)});
    awaitIdle(c, std::max(now(), looked));
  }

  /// The connection receives nothing more until `goOn`: the ring is full (N6), or the window has been opened and the
  /// commands of this pass come first. The connection's sends, end and deadline go on.
  void await(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (std::exchange(c.driving.waiting, true)) return;
    c.driving.waitingPlace = narrow<uint32_t>(waiting_.size());
    waiting_.push_back(&c);
  }
  void awaitNoMore(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (!std::exchange(c.driving.waiting, false)) return;
    Connection* last = waiting_.back();
    waiting_.pop_back();
    if (last == &c) return;
    last->driving.waitingPlace = c.driving.waitingPlace;
    waiting_[c.driving.waitingPlace] = last;
  }

  void sendQueued(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (!c.driving.established || c.driving.sending || c.driving.queue.empty() || c.driving.closing ||
        c.driving.failed || c.driving.latched != 0)
      return;
    size_t most = SIZE_MAX;
    if (c.driving.pace) {
      if (c.driving.pace->send.waits()) return;
      most = pacer_.grant(c.driving.pace->send);
    }
    c.partCount = 0;
    size_t offset = c.driving.queueOffset;
    for (Chunk::Ptr& chunk : c.driving.queue) {
      if (c.partCount == PortBase::kMaxParts || most == 0) break;
      const size_t length = std::min(chunk->size() - offset, most);
      c.parts[c.partCount++] = {chunk->bytes() + offset, length};
      most -= length;
      offset = 0;
    }
    if (c.partCount == 0) return;
    c.driving.sending = true;
    engine_->send(c);
  }
  void dropQueue(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    size_t bytes = 0;
    for (const Chunk::Ptr& chunk : c.driving.queue) bytes += chunk->size();
    counters_.dropped.add(bytes - c.driving.queueOffset);
    c.driving.queue.clear();
    c.driving.queueOffset = 0;
  }
  void consume(Connection& c, size_t count) SOCKMAN_REQUIRES(drivingThread) {
    counters_.bytesSent.add(count);
    c.shared.bytesSent.add(count);
    c.shared.lastSend.set(static_cast<uint64_t>(now()));
    size_t left = count;
    while (left > 0) {
      SOCKMAN_CHECK(!c.driving.queue.empty());
      const size_t rest = c.driving.queue.front()->size() - c.driving.queueOffset;
      if (left < rest) {
        c.driving.queueOffset += left;
        break;
      }
      left -= rest;
      c.driving.queueOffset = 0;
      c.driving.queue.pop_front();
    }
    const auto bytes = static_cast<int64_t>(count);
    const int64_t before = c.shared.queued.fetch_sub(bytes, std::memory_order_release);
    SOCKMAN_CHECK(before >= bytes);  // below zero, JavaScript would never send by itself again
  }
  void shutdownIfDrained(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    // After an error there is no orderly end: the peer would take what came for all that there was (N41).
    if (!c.driving.shutdownWanted || !c.driving.established || !c.driving.queue.empty() ||
        c.driving.closing || c.driving.latched != 0)
      return;
    c.driving.shutdownWanted = false;
    // What is refused is an error of the sending side: without it the peer would wait for an end for ever.
    if (const int error = sys::shutdown(c.fd.get(), SHUT_WR)) return sendFailed(c, -error);
    c.driving.shutdownDone = true;
    finishFlush(c);
  }

  /// ECONNRESET for what a reset leaves behind, an end of stream (0), EPIPE, or ENOTCONN of shutdown(2): only
  /// the first call that meets a reset is told its name, and after the peer's end no call is (N15).
  static int asReset(const Connection& c, int error) SOCKMAN_REQUIRES(drivingThread) {
    const bool consequence = error == 0 || error == EPIPE || error == ENOTCONN;
    return consequence && !c.driving.shutdownDone && isBroken(c.fd.get()) ? ECONNRESET : error;
  }

  /// A send met a permanent error, which is latched. What can still be read is delivered first (N15).
  void sendFailed(Connection& c, int error) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.closing || c.driving.failed) return;
    if (c.driving.flushing) return flushFailed(c);
    if (c.driving.latched == 0) c.driving.latched = c.driving.established ? asReset(c, error) : error;
    if (!c.driving.established) return;
    char byte;
    const ssize_t peeked = sys::recv(c.fd.get(), &byte, 1, MSG_PEEK);
    const bool readable = peeked >= 0 || !isTransient(narrow<int>(-peeked));
    if (c.driving.eof || c.driving.held || !readable) return fail(c, true);
    // What broke the sending need not end the stream, and the error is told at the stream's end: so that ends after
    // what has come. Where it is refused, the stream is over already.
    sys::ignored(sys::shutdown(c.fd.get(), SHUT_RD));
  }

  /// Reports the latched error. Nothing but `closed` follows (N15).
  void fail(Connection& c, bool bySend) SOCKMAN_REQUIRES(drivingThread) {
    c.driving.failed = true;
    if (!c.driving.sending) dropQueue(c);  // else `sent` does: the engine may still read the parts
    // Without an answer, of a descriptor that somebody has closed, it counts as nothing.
    const int unread = std::max(0, sys::unread(c.fd.get()));
    push({.event = Event::error, .slot = c.name.slot, .length = unread, .a = c.driving.latched, .b = bySend});
    updateReceiving(c);
  }

  void close(Connection& c, int32_t flags, int64_t timeout) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.closing) return;
    c.driving.reset = flags & kCloseReset;
    const bool broken = c.driving.failed || c.driving.latched != 0;
    const bool useless = broken || (!c.driving.established && c.driving.queue.empty());
    if (!(flags & kCloseFlush) || useless) return beginClose(c);
    beginFlush(c, timeout);
  }

  /// Sends the queue and our end, then drops what comes until the peer's end, an error or the bound: a
  /// descriptor that is closed with unread bytes, or before bytes that are still under way, resets the
  /// connection, and takes from the peer what it has not read yet (N69).
  void beginFlush(Connection& c, int64_t timeout) SOCKMAN_REQUIRES(drivingThread) {
    c.driving.flushing = c.driving.started = c.driving.shutdownWanted = true;
    c.driving.held = false;
    awaitNoMore(c);
    if (c.driving.pace) pacer_.leave(c.driving.pace->receive);
    setWindowClosed(c, false);
    countBehind(c);
    c.room = static_cast<size_t>(limits_.receiveWindow);
    deadlines_.set(c, now() + timeout * kMillisecond);
    updateReceiving(c);
    if (c.driving.shutdownDone) return finishFlush(c);
    shutdownIfDrained(c);
  }
  /// Both ends are there. A reset now would take what is on its way, and would end nothing.
  void finishFlush(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (!c.driving.flushing || !c.driving.shutdownDone || !c.driving.eof) return;
    c.driving.reset = false;
    beginClose(c);
  }
  /// The bound has passed, or the owner waits no longer. What the kernel has still leaves, unless the close is
  /// a reset: by the owner's wish, or since there is something unread.
  void endFlush(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.reset || sys::unread(c.fd.get()) > 0) return flushFailed(c);
    beginClose(c);
  }
  /// Nothing of the queue can arrive any more, nor what the peer has not acknowledged: it is told as unsent.
  void flushFailed(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    const int64_t lost = unacknowledged(c.fd.get(), c.driving.shutdownDone);
    c.shared.queued.fetch_add(lost, std::memory_order_release);
    beginClose(c);
  }
  void beginClose(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
    if (c.driving.closing) return;
    c.driving.closing = true;
    deadlines_.cancel(c);
    awaitNoMore(c);
    if (c.driving.pace) {
      pacer_.leave(c.driving.pace->receive);
      pacer_.leave(c.driving.pace->send);
    }
    if (c.driving.reset) {
      // Refused, the connection ends in order: that it ends is what counts.
      const linger none{1, 0};
      sys::ignored(sys::setsockopt(c.fd.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none));
    }
    engine_->forget(c);
  }

  size_t taken() const SOCKMAN_REQUIRES(drivingThread) { return connections_.size() + pendingAccepts_; }
  bool full() const SOCKMAN_REQUIRES(drivingThread) {
    return limits_.maxConnections > 0 && taken() >= limits_.maxConnections;
  }
  bool stopAcceptingIfFull() SOCKMAN_REQUIRES(drivingThread) {
    if (!full()) return false;
    if (taken() > limits_.maxConnections) return true;  // they have stopped already
    listeners_.each([this](Listener& listener)
                        SOCKMAN_REQUIRES(drivingThread) { engine_->stopAccepting(listener); });
    return true;
  }
  void startListening(Listener& listener) SOCKMAN_REQUIRES(drivingThread) {
    listeners_.enter(listener);
    if (stopping_) return closeListener(listener);
    startAccepting(listener);
  }
  void startAccepting(Listener& listener) SOCKMAN_REQUIRES(drivingThread) {
    if (listener.driving.closing || full()) return;
    if (!ring_.hasRoom()) {
      acceptsWait_ = true;
    } else {
      engine_->accept(listener, limits_.maxConnections > 0);
    }
  }
  /// A listener's errors: at most one a second.
  void report(Listener& listener, int error, int descriptor) SOCKMAN_REQUIRES(drivingThread) {
    const Time time = now();
    if (time - listener.driving.lastError < kAcceptRetry) return;
    listener.driving.lastError = time;
    push({.event = Event::listenError, .slot = listener.number, .a = error, .b = descriptor});
  }
  void retryAccepting(Listener& listener) SOCKMAN_REQUIRES(drivingThread) {
    listener.driving.exhausted = false;
    deadlines_.cancel(listener);
    startAccepting(listener);
  }
  void closeListener(Listener& listener) SOCKMAN_REQUIRES(drivingThread) {
    if (listener.driving.closing) return;
    listener.driving.closing = true;
    deadlines_.cancel(listener);
    engine_->forget(listener);
  }
  void listenerGone(Listener& listener) SOCKMAN_REQUIRES(drivingThread) {
    SOCKMAN_CHECK(listener.driving.closing);
    SOCKMAN_CHECK(!listener.deadline);
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
  Deadlines<Port> deadlines_ SOCKMAN_GUARDED_BY(drivingThread);
  Pacer<Connection> pacer_ SOCKMAN_GUARDED_BY(drivingThread);
  Roster<Connection> connections_ SOCKMAN_GUARDED_BY(drivingThread);
  Roster<Listener> listeners_ SOCKMAN_GUARDED_BY(drivingThread);
  uint32_t pendingAccepts_ SOCKMAN_GUARDED_BY(drivingThread) = 0;
  uint32_t behind_ SOCKMAN_GUARDED_BY(drivingThread) = 0;
  std::vector<Connection*> waiting_ SOCKMAN_GUARDED_BY(drivingThread);  // for `goOn`
  bool acceptsWait_ SOCKMAN_GUARDED_BY(drivingThread) = false;
  bool reclaimed_ SOCKMAN_GUARDED_BY(drivingThread) = false;  // since `goOn`
  bool stopping_ SOCKMAN_GUARDED_BY(drivingThread) = false;
  bool discarding_ SOCKMAN_GUARDED_BY(drivingThread) = false;
  bool announced_ SOCKMAN_GUARDED_BY(drivingThread) = false;
  Counters counters_;
};

}  // namespace sockman
