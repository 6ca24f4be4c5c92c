// The JavaScript thread of a SockLoop, without JavaScript: makes random calls, reads the records, and knows
// what may come of what.
#pragma once

#include <sockman/command.h>
#include <sockman/roles.h>
#include <sockman/sock_loop.h>

#include <cstring>
#include <functional>
#include <map>

#include "scripted_engine.h"

namespace sockman::test {

using Loop = SockLoop<ScriptedEngine>;

/// What both threads share, as the binding has it.
struct World {
  static constexpr size_t kBlock = 16 * 1024, kPool = 16 * kBlock, kWindow = 1024;

  explicit World(uint32_t seed, uint32_t maxConnections, uint32_t mostPending = EventRing::kMostPending)
      : maxConnections(maxConnections),
        region(*Region::map(kPool)),
        ring(*Region::map(sizeof(EventRing::Shared)), mostPending),
        pool(region, kBlock, kPool, kPool),
        loop(std::make_unique<ScriptedEngine>(pool, seed), pool, ring, connections, listeners,
             {.receiveWindow = kWindow,
              .maxConnections = maxConnections,
              .receiveRate = seed % 5 == 0 ? 10'000 : 0,
              .sendRate = seed % 7 == 0 ? 10'000 : 0}) {}

  const uint32_t maxConnections;
  CommandCount commands;
  Loop::Connections connections{commands};
  Loop::Listeners listeners{commands};
  CommandQueue queue;
  std::shared_ptr<Region> region;
  EventRing ring;
  ReceivePool pool;
  Loop loop;
};

/// Checks of each connection: events
/// in their order, bytes that are its own, `queued` never below zero, and at the end exactly the unsent
/// bytes.
class Owner {
 public:
  Owner(
      World& world, uint32_t seed, std::function<void()> posted = [] {})
      : world_(world), dice_(seed), posted_(std::move(posted)), shared_(*shared(world.ring)) {}

  /// One random call, at random about a connection of any state, or a new one.
  void act() SOCKMAN_REQUIRES(javascriptThread) {
    if (stopping_) return;
    const uint32_t what = dice_.roll(16);
    if (what < 3 || lives_.empty()) return connect();
    if (what == 3) return listen();
    if (what == 4) return closeListener();
    Life& life = pick();
    if (life.state == State::closing) return;  // `findOpen` finds it no more
    switch (what) {
      case 5:
      case 6:
      case 7:
        return send(life);
      case 8:
        life.shutdown = true;
        return post(life, Op::shutdown);
      case 9:
        life.paused = true;
        return;
      case 10:
        return resume(life);
      case 11:
        return post(life, Op::fail, EPIPE);
      case 12:
      case 13:
        return limit(life);
      default:
        return close(life);
    }
  }

  /// Reads at most `most` records; how many there were.
  uint32_t consume(uint32_t most) SOCKMAN_REQUIRES(javascriptThread) {
    uint32_t count = 0;
    while (count < most && shared_.tail.load() != head_) {
      Record& record = shared_.records[head_ % EventRing::kCapacity];
      const uint32_t position = head_++;
      world_.ring.enter();
      take(record, position);
      shared_.head.store(head_);
      world_.ring.leave();
      count++;
    }
    return count;
  }

  /// Closes everything and asks for `stopped`.
  void stop() SOCKMAN_REQUIRES(javascriptThread) {
    stopping_ = true;
    for (auto& [slot, life] : lives_)
      if (life.state != State::closing) close(life);
    for (auto& [number, listener] : listeners_)
      if (!std::exchange(listener.closed, true)) post(listener.name, Op::closeListener);
    post(Name{}, Op::stop);
  }
  bool stopped() const SOCKMAN_REQUIRES(javascriptThread) { return stopped_; }

  /// While each thread has done what the other asked for, the engine is asked for all that may come: whoever reads gets
  /// data, and whoever listens gets connections, up to `maxConnections`.
  void assertServed() const SOCKMAN_REQUIRES(javascriptThread) {
    for (const auto& [slot, life] : lives_) {
      const auto& pace = life.c->driving.pace;
      const bool waits = pace && pace->receive.waits();
      const bool reads = life.state == State::open && !life.paused && !life.eof && !waits;
      SOCKMAN_CHECK(!reads || life.c->receiving);
    }
    const bool full = world_.maxConnections > 0 && lives_.size() >= world_.maxConnections;
    for (const auto& [number, listener] : listeners_)
      SOCKMAN_CHECK(full || listener.closed || listener.port->accepting);
  }
  size_t live() const SOCKMAN_REQUIRES(javascriptThread) { return lives_.size(); }
  /// Bytes given to the loop.
  uint64_t handed() const SOCKMAN_REQUIRES(javascriptThread) { return handed_; }

  /// The words of a ring, as TypeScript reads them.
  static EventRing::Shared* shared(const EventRing& ring) {
    return reinterpret_cast<EventRing::Shared*>(ring.memory()->base());
  }

 private:
  /// ms, of which none passes: the driving thread says when time is over.
  static constexpr int64_t kTimeout = 1 << 20;

  enum class State { connecting, open, failed, closing };
  struct Life {
    Loop::Connection* c;
    uint32_t owner;
    State state;
    uint64_t sent = 0;  // by JavaScript
    int64_t held = 0;   // bytes that came while paused
    bool eof = false, shutdown = false, paused = false, stopped = false;
  };
  struct OwnListener {
    Loop::Listener* port;
    Name name;
    bool closed = false;
  };

  Life& pick() SOCKMAN_REQUIRES(javascriptThread) {
    auto at = lives_.lower_bound(
        static_cast<int32_t>(dice_.roll(static_cast<uint32_t>(lives_.rbegin()->first + 1))));
    return at->second;
  }

  Life& begin(State state) SOCKMAN_REQUIRES(javascriptThread) {
    Loop::Connection* c = world_.connections.allocate();
    SOCKMAN_CHECK(c && c->shared.queued.load() == 0 && c->owner == 0 && lives_.count(c->name.slot) == 0);
    c->owner = ++owners_;
    return lives_[c->name.slot] = {c, owners_, state};
  }
  void connect() SOCKMAN_REQUIRES(javascriptThread) {
    Life& life = begin(State::connecting);
    life.c->fd = Fd(openSocket(dice_));
    const bool wait = !dice_.oneIn(3);
    post(life, Op::connect,
         wait             ? EINPROGRESS
         : dice_.oneIn(2) ? 0
                          : ECONNREFUSED,
         dice_.oneIn(2) ? kTimeout : 0);
    post(life, Op::start);
  }
  void listen() SOCKMAN_REQUIRES(javascriptThread) {
    if (listeners_.size() >= 3) return;
    Loop::Listener* listener = world_.listeners.allocate(++numbers_);
    listener->fd = Fd(::eventfd(0, EFD_CLOEXEC));
    listeners_[listener->number] = {listener, listener->name};
    post(listener->name, Op::listen);
  }
  void closeListener() SOCKMAN_REQUIRES(javascriptThread) {
    for (auto& [number, listener] : listeners_) {
      if (!std::exchange(listener.closed, true)) return post(listener.name, Op::closeListener);
    }
  }
  void send(Life& life) SOCKMAN_REQUIRES(javascriptThread) {
    if (life.state == State::failed || life.shutdown) return;
    Chunk::Ptr chunk = Chunk::make(1 + dice_.roll(400));
    std::memset(chunk->bytes(), tagOf(life.owner), chunk->size());
    life.sent += chunk->size();
    handed_ += chunk->size();
    life.c->shared.queued.fetch_add(static_cast<int64_t>(chunk->size()), std::memory_order_relaxed);
    post({.op = Op::send, .name = life.c->name, .chunk = std::move(chunk)});
  }
  void resume(Life& life) SOCKMAN_REQUIRES(javascriptThread) {
    life.paused = false;
    if (std::exchange(life.stopped, false)) post(life, Op::resume, 0, std::exchange(life.held, 0));
  }
  /// Rates of which a burst is less than a send, and one that is none.
  void limit(Life& life) SOCKMAN_REQUIRES(javascriptThread) {
    const auto which = static_cast<int32_t>(dice_.roll(3));
    post(life, Op::limit, which, dice_.oneIn(3) ? 0 : 1 + dice_.roll(3000));
  }
  void close(Life& life) SOCKMAN_REQUIRES(javascriptThread) {
    life.state = State::closing;
    const int32_t reset = dice_.oneIn(3) ? kCloseReset : 0;
    post(life, Op::close, (dice_.oneIn(3) ? kCloseFlush : 0) | reset, kTimeout);
  }
  void post(const Life& life, Op op, int32_t value = 0, int64_t amount = 0)
      SOCKMAN_REQUIRES(javascriptThread) {
    post({.op = op, .value = value, .name = life.c->name, .amount = amount, .chunk = nullptr});
  }
  void post(Name name, Op op) SOCKMAN_REQUIRES(javascriptThread) {
    post({.op = op, .name = name, .chunk = nullptr});
  }
  void post(Command&& command) SOCKMAN_REQUIRES(javascriptThread) {
    world_.commands.post();
    world_.queue.push(std::move(command));
    posted_();
  }

  void take(Record& record, uint32_t position) SOCKMAN_REQUIRES(javascriptThread) {
    SOCKMAN_CHECK(!stopped_);
    switch (record.event) {
      case Event::accepted:
        return accepted(record, position);
      case Event::listenerClosed: {
        const auto listener = listeners_.find(record.slot);
        SOCKMAN_CHECK(listener != listeners_.end() && listener->second.closed);
        SOCKMAN_CHECK(!listener->second.port->fd);
        world_.listeners.free(listener->second.name.slot);
        listeners_.erase(listener);
        return;
      }
      case Event::listenError:
        return;
      case Event::stopped:
        SOCKMAN_CHECK(stopping_ && lives_.empty() && listeners_.empty());
        stopped_ = true;
        return;
      default:
        break;
    }
    const auto found = lives_.find(record.slot);
    SOCKMAN_CHECK(found != lives_.end());
    Life& life = found->second;
    SOCKMAN_CHECK(life.c->owner == life.owner && life.c->shared.queued.load() >= 0);
    switch (record.event) {
      case Event::connected:
        SOCKMAN_CHECK(life.state == State::connecting || life.state == State::closing);
        if (life.state == State::connecting) life.state = State::open;
        return;
      case Event::data:
        return data(life, record);
      case Event::eof:
        SOCKMAN_CHECK(!std::exchange(life.eof, true) && mayReceive(life));
        return;
      case Event::error:
        SOCKMAN_CHECK(life.state == State::open || life.state == State::closing);
        if (life.state == State::open) life.state = State::failed;
        return;
      case Event::drained:
        return;
      case Event::idle:
        SOCKMAN_CHECK(life.state == State::open || life.state == State::closing);
        return;
      case Event::closed:
        SOCKMAN_CHECK(life.state == State::closing || (life.state == State::connecting && record.a != 0));
        return closed(life);
      default:
        SOCKMAN_CHECK(false);
    }
  }
  void accepted(const Record& record, uint32_t position) SOCKMAN_REQUIRES(javascriptThread) {
    Fd fd(world_.ring.takeDescriptor(position));
    const auto listener = listeners_.find(record.slot);
    SOCKMAN_CHECK(fd && listener != listeners_.end());
    if (stopping_) return post({.op = Op::refuse, .chunk = nullptr});
    if (dice_.oneIn(8))
      return post({.op = Op::refuse, .value = EMFILE, .name = listener->second.name, .chunk = nullptr});
    Life& life = begin(State::open);
    life.c->fd = std::move(fd);
    post(life, Op::open, kAccepted);
    if (dice_.oneIn(4)) return close(life);
    post(life, Op::start);
  }
  static bool mayReceive(const Life& life) {
    return life.state == State::open || life.state == State::closing;
  }
  void data(Life& life, Record& record) SOCKMAN_REQUIRES(javascriptThread) {
    SOCKMAN_CHECK(mayReceive(life) && !life.eof && record.length > 0);
    const std::byte* bytes = world_.region->base() + record.offset;
    for (int32_t at = 0; at < record.length; at++)
      SOCKMAN_CHECK(static_cast<uint8_t>(bytes[at]) == tagOf(life.owner));
    if (life.state == State::closing || (!life.paused && life.held == 0)) return;
    record.held = 1;
    life.held += record.length;
    if (!std::exchange(life.stopped, true)) post(life, Op::hold);
  }
  void closed(Life& life) SOCKMAN_REQUIRES(javascriptThread) {
    const auto unsent = static_cast<uint64_t>(life.c->shared.queued.load(std::memory_order_acquire));
    SOCKMAN_CHECK(unsent == life.sent - life.c->sent && !life.c->fd);
    const int32_t slot = life.c->name.slot;
    lives_.erase(slot);
    world_.connections.free(slot);
  }

  World& world_;
  Dice dice_;
  std::function<void()> posted_;
  EventRing::Shared& shared_;
  uint32_t head_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  std::map<int32_t, Life> lives_ SOCKMAN_GUARDED_BY(javascriptThread);  // by slot, as TypeScript keeps them
  std::map<int32_t, OwnListener> listeners_ SOCKMAN_GUARDED_BY(javascriptThread);
  uint64_t handed_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  uint32_t owners_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  int32_t numbers_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  bool stopping_ = false, stopped_ = false;
};

}  // namespace sockman::test
