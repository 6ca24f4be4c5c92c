#include <condition_variable>
#include <mutex>
#include <thread>

#include "../descriptors.h"
#include "../seeds.h"
#include "owner.h"

namespace sockman::test {
namespace {

/// The driving thread of the model: what ThreadDrive does in one pass, cut where JavaScript may come between.
class Driver {
 public:
  explicit Driver(World& world) : world_(world) {}

  void take() SOCKMAN_REQUIRES(drivingThread) {
    if (taken_.empty()) world_.queue.take(taken_);
  }
  void execute() SOCKMAN_REQUIRES(drivingThread) {
    world_.loop.reclaim();
    for (Command& command : taken_) world_.loop.execute(command);
    const size_t executed = taken_.size();
    taken_.clear();
    world_.commands.execute(executed);
    world_.loop.goOn();
  }
  void reap() SOCKMAN_REQUIRES(drivingThread) { world_.loop.engine().reap(world_.loop); }
  /// All time limits are over, an hour later each time.
  void expire() SOCKMAN_REQUIRES(drivingThread) {
    hours_++;
    world_.loop.expire(now() + hours_ * 3'600'000 * kMillisecond);
  }
  void publish() SOCKMAN_REQUIRES(drivingThread) { world_.loop.publish(); }
  bool finished() SOCKMAN_REQUIRES(drivingThread) { return world_.loop.finished(); }
  void discard() SOCKMAN_REQUIRES(drivingThread) { world_.loop.discard(); }

 private:
  World& world_;
  std::vector<Command> taken_;
  int hours_ = 0;
};

/// One step of either thread at a time, in an order that the seed decides.
void interleave(uint32_t seed, bool stopInTheEnd) {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  World world(seed, seed % 3 == 0 ? 5 : 0, seed % 2 == 0 ? 6 : EventRing::kMostPending);
  Owner owner(world, seed + 1);
  Driver driver(world);
  Dice dice(seed + 2);
  int step = 0;
  const auto turn = [&](uint32_t what) SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    switch (what) {
      case 0:
        return driver.take();
      case 1:
        driver.take();  // a batch is executed as a whole, whatever has been posted since
        return driver.execute();
      case 2:
        return driver.reap();
      case 3:
        return driver.publish();
      case 4:
        owner.consume(1 + dice.roll(4));
        return;
      case 5:
        if (dice.oneIn(8)) driver.expire();
        return;
      default:
        return owner.act();
    }
  };
  for (; step < 400; step++) turn(dice.roll(10));
  if (!stopInTheEnd) return driver.discard();
  int rounds = 0;
  do {
    driver.take();
    driver.execute();
    // Not without end: connections on which nothing moves are told of each time.
    if (rounds++ < 3) driver.expire();
    driver.publish();
  } while (owner.consume(1000) > 0 || !world.queue.empty() || world.ring.consumed());
  owner.assertServed();
  owner.stop();
  for (; !owner.stopped(); step++) {
    SOCKMAN_CHECK(step < 100'000);
    turn(dice.roll(6));
    if (!driver.finished()) continue;
    driver.publish();
    while (owner.consume(100) > 0) driver.publish();
  }
  SOCKMAN_CHECK(owner.live() == 0);
  driver.execute();
  // Each byte was sent, or dropped with its connection.
  const auto& counters = world.loop.counters();
  SOCKMAN_CHECK(counters.bytesSent.get() + counters.dropped.get() == owner.handed());
  // All receive memory is back, but for the block that the engine fills.
  SOCKMAN_CHECK(world.pool.freeCount() + 1 >= world.pool.count());
}

TEST(interleavings, "any order of steps: nobody gets another's bytes, each has its events and one end") {
  const size_t before = openDescriptors();
  forSeeds(3000, [](uint32_t seed) { interleave(seed, true); });
  SOCKMAN_CHECK(openDescriptors() == before);
}

TEST(discarded, "dropped in the middle: no descriptor is left") {
  const size_t before = openDescriptors();
  forSeeds(1000, [](uint32_t seed) { interleave(seed, false); });
  SOCKMAN_CHECK(openDescriptors() == before);
}

/// A connect that is refused, and what the owner says about it before it is told.
struct Refused {
  World world{1, 0};
  Driver driver{world};
  std::vector<Record> records;

  void post(Name name, Op op, Chunk::Ptr chunk = nullptr, int32_t error = ECONNREFUSED)
      SOCKMAN_REQUIRES(javascriptThread) {
    world.commands.post();
    world.queue.push(
        {.op = op, .value = op == Op::connect ? error : 0, .name = name, .chunk = std::move(chunk)});
  }
  void run() SOCKMAN_REQUIRES(drivingThread) {
    driver.take();
    driver.execute();
  }
  /// Until the engine has forgotten all of them.
  void settle() SOCKMAN_REQUIRES(drivingThread) {
    while (world.loop.engine().busy()) driver.reap();
    driver.publish();
  }
};

TEST(lateCommands,
     "each command about a connect that has failed finds nobody, and its slot waits for all of them") {
  for (const Op op :
       {Op::send, Op::shutdown, Op::notify, Op::fail, Op::hold, Op::resume, Op::close, Op::start}) {
    Refused it;
    Loop::Connection* c = it.world.connections.allocate();
    const Name first = c->name;
    it.post(first, Op::connect);
    it.run();
    it.settle();
    // `closed` is published, not consumed.
    Chunk::Ptr chunk = op == Op::send ? Chunk::make(64) : nullptr;
    if (chunk) c->shared.queued.fetch_add(64);
    it.post(first, op, std::move(chunk));
    it.world.connections.free(first.slot);
    Loop::Connection* next = it.world.connections.allocate();
    SOCKMAN_CHECK(next != c);  // not before the command is executed
    SOCKMAN_CHECK(c->shared.queued.load() == (op == Op::send ? 64 : 0));
    it.run();
    SOCKMAN_CHECK(c->shared.queued.load() == (op == Op::send ? 64 : 0));
    SOCKMAN_CHECK(!it.world.loop.engine().busy());  // nothing was asked of the engine
    Loop::Connection* again = it.world.connections.allocate();
    SOCKMAN_CHECK(again == c && again->name.generation == first.generation + 1 && !again->driving.closing);
    SOCKMAN_CHECK(again->shared.queued.load() == 0);
  }
}

TEST(halfABatch, "a batch counts as executed when all of it is") {
  Refused it;
  Loop::Connection* c = it.world.connections.allocate();
  const Name first = c->name;
  it.post(first, Op::connect);
  it.run();
  it.settle();
  it.post(first, Op::shutdown);
  it.driver.take();  // the batch is in the driving thread's hands
  it.world.connections.free(first.slot);
  SOCKMAN_CHECK(it.world.connections.allocate() != c);
  it.driver.execute();
  SOCKMAN_CHECK(it.world.connections.allocate() == c);
}

TEST(listeners, "a listener's place is taken only after the listener is gone") {
  Refused it;
  Loop::Listener* listener = it.world.listeners.allocate(1);
  const Name first = listener->name;
  it.post(first, Op::listen);
  it.post(first, Op::closeListener);
  it.run();
  it.settle();
  it.post(first, Op::closeListener);
  it.world.listeners.free(first.slot);
  SOCKMAN_CHECK(it.world.listeners.allocate(2) != listener);
  it.run();
  SOCKMAN_CHECK(it.world.listeners.allocate(3) == listener);
}

TEST(exhausted, "out of descriptors a listener waits for the end of a connection, or for a second (N43)") {
  for (const bool ends : {true, false}) {
    Refused it;
    Loop::Listener* listener = it.world.listeners.allocate(1);
    it.post(listener->name, Op::listen);
    it.run();
    listener->accepting = false;
    it.world.loop.acceptFailed(*listener, EMFILE);
    SOCKMAN_CHECK(!listener->accepting);
    if (ends) {
      Loop::Connection* c = it.world.connections.allocate();
      it.post(c->name, Op::connect);
      it.run();
      it.world.loop.forgotten(*c);
    } else {
      it.driver.expire();
    }
    SOCKMAN_CHECK(listener->accepting);
  }
}

TEST(openedAfterStop, "what is opened after stop is closed at once, and the loop ends") {
  for (const Op op : {Op::listen, Op::connect, Op::open}) {
    Refused it;
    it.post(Name{}, Op::stop);
    it.post(op == Op::listen ? it.world.listeners.allocate(1)->name : it.world.connections.allocate()->name,
            op, nullptr, EINPROGRESS);
    it.run();
    for (int i = 0; i < 100 && it.world.loop.engine().busy(); i++) it.driver.reap();
    SOCKMAN_CHECK(!it.world.loop.engine().busy());
    it.driver.finished();
    it.driver.publish();
    SOCKMAN_CHECK(Owner::shared(it.world.ring)->tail.load() == 2);  // its end, then `stopped`
  }
}

/// A connection that nobody reads from, with `count` chunks of one byte in its queue.
Loop::Connection& stuck(Refused& it, int count) SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
  Loop::Connection* c = it.world.connections.allocate();
  it.post(c->name, Op::open);
  for (int n = 0; n < count; n++) {
    Chunk::Ptr chunk = Chunk::make(1);
    *chunk->bytes() = static_cast<char>(n);
    c->shared.queued.fetch_add(1);
    it.post(c->name, Op::send, std::move(chunk));
  }
  it.run();
  return *c;
}

TEST(gathered, "100 000 sends of one byte wait in few chunks, in their order (N68)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Refused it;
  Loop::Connection& c = stuck(it, 100'000);
  SOCKMAN_CHECK(c.driving.queue.size() < 30);
  size_t bytes = 0;
  for (const Chunk::Ptr& chunk : c.driving.queue) {
    for (size_t n = 0; n < chunk->size(); n++) SOCKMAN_CHECK(chunk->bytes()[n] == static_cast<char>(bytes++));
  }
  SOCKMAN_CHECK(bytes == 100'000);
  // The parts that the engine has are what they were.
  SOCKMAN_CHECK(c.partCount == 1 && c.parts[0].iov_len == 1);
  it.driver.discard();
}

/// The error that the loop tells of: the last record.
const Record& lastRecord(Refused& it) SOCKMAN_REQUIRES(drivingThread) {
  it.driver.publish();
  const EventRing::Shared& shared = *Owner::shared(it.world.ring);
  return shared.records[(shared.tail.load() - 1) % EventRing::kCapacity];
}

TEST(marked,
     "a mark is told once, when the kernel has so many bytes; an empty queue is told of anyway (N73)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Refused it;
  Loop::Connection& c = stuck(it, 100);
  const auto& tail = Owner::shared(it.world.ring)->tail;
  const uint32_t before = tail.load();
  const auto mark = [&](int64_t bytes) SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    it.world.commands.post();
    it.world.queue.push({.op = Op::notify, .name = c.name, .amount = bytes, .chunk = nullptr});
    it.run();
  };
  /// The kernel takes so many bytes more; how many records that makes in all.
  const auto told = [&](int64_t bytes) SOCKMAN_REQUIRES(drivingThread) {
    c.sending = false;
    if (bytes > 0) it.world.loop.sent(c, bytes);
    it.driver.publish();
    return tail.load() - before;
  };
  mark(11);
  SOCKMAN_CHECK(told(1) == 0 && told(9) == 0);
  SOCKMAN_CHECK(told(1) == 1 && lastRecord(it).event == Event::drained);
  SOCKMAN_CHECK(told(9) == 1);
  // One that comes late is told at once.
  mark(15);
  SOCKMAN_CHECK(told(0) == 2);
  // The next mark takes the place of the one before.
  mark(30);
  mark(40);
  SOCKMAN_CHECK(told(15) == 2 && told(5) == 3);
  mark(100);
  SOCKMAN_CHECK(told(60) == 4 && c.driving.queue.empty() && c.driving.mark == 0);
  it.driver.discard();
}

TEST(rateMeanwhile,
     "a send under way when its first rate is set is not charged; the next one is cut to the rate (N74)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Refused it;
  Loop::Connection& c = stuck(it, 1000);
  it.world.commands.post();
  it.world.queue.push({.op = Op::limit,
                       .value = static_cast<int32_t>(Limit::sendRate),
                       .name = c.name,
                       .amount = 100,
                       .chunk = nullptr});
  it.run();
  const auto sent = [&](int64_t bytes) SOCKMAN_REQUIRES(drivingThread) {
    c.sending = false;
    it.world.loop.sent(c, bytes);
  };
  sent(400);
  SOCKMAN_CHECK(c.driving.sending && c.partCount == 1 && c.parts[0].iov_len == 10);
  sent(10);
  SOCKMAN_CHECK(!c.driving.sending && c.driving.pace->send.waits());
  SOCKMAN_CHECK(it.world.loop.nextDeadline() != kNever);
  it.driver.discard();
}

TEST(firstError, "the first error is told, at the end of what can still be read (N15)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Refused it;
  Loop::Connection& c = stuck(it, 1);
  int ends[2];
  SOCKMAN_CHECK(sys::socketpair(ends) == 0);
  c.fd = Fd(ends[0]);
  const Fd peer(ends[1]);
  SOCKMAN_CHECK(::write(peer.get(), "x", 1) == 1);
  it.post(c.name, Op::start);
  it.run();
  c.sending = false;
  it.world.loop.sent(c, -ECONNABORTED);
  SOCKMAN_CHECK(c.receiving && !c.driving.failed);
  c.receiving = false;
  it.world.loop.receiveEnded(c, ECONNRESET);
  const Record& told = lastRecord(it);
  SOCKMAN_CHECK(told.event == Event::error && told.a == ECONNABORTED && told.b == 1 && told.length == 1);
  it.driver.discard();
}

TEST(failedQueue,
     "the queue of a connection that has failed is dropped, not before the engine is done with it") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  for (const bool sending : {false, true}) {
    Refused it;
    Loop::Connection& c = stuck(it, 3);
    const auto& dropped = it.world.loop.counters().dropped;
    c.sending = c.driving.sending = sending;
    it.world.loop.receiveEnded(c, ECONNRESET);
    SOCKMAN_CHECK(c.driving.failed && c.driving.queue.empty() == !sending);
    c.sending = false;
    if (sending) it.world.loop.sent(c, 1);
    SOCKMAN_CHECK(c.driving.queue.empty() && dropped.get() == (sending ? 2 : 3));
    // JavaScript had not heard of the error.
    c.shared.queued.fetch_add(8);
    it.post(c.name, Op::send, Chunk::make(8));
    it.run();
    SOCKMAN_CHECK(c.driving.queue.empty() && dropped.get() == (sending ? 10 : 11) && !c.sending);
    // All of it is told as unsent.
    SOCKMAN_CHECK(c.shared.queued.load() == (sending ? 10 : 11));
    it.driver.discard();
  }
}

TEST(heldInTime,
     "a connection that is paused in the pass that opens its window receives nothing in between (C36)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Refused it;
  Loop& loop = it.world.loop;
  Loop::Connection& c = stuck(it, 1);
  it.post(c.name, Op::start);
  it.run();
  FillingBlock block(it.world.pool);
  SOCKMAN_CHECK(c.receiving && block.ensure());
  loop.received(c, block.index(), block.fill(World::kWindow), World::kWindow);
  SOCKMAN_CHECK(c.driving.windowClosed && !c.receiving);
  loop.hungUp(c, ECONNRESET);
  loop.publish();
  SOCKMAN_CHECK(!c.driving.failed);  // JavaScript reads on, and what the kernel has comes first
  EventRing::Shared& shared = *Owner::shared(it.world.ring);
  shared.head.store(shared.tail.load());
  loop.reclaim();
  SOCKMAN_CHECK(!c.driving.windowClosed && !c.receiving);
  it.post(c.name, Op::hold);
  it.run();
  SOCKMAN_CHECK(c.driving.failed && !c.receiving);
  it.driver.discard();
}

void postFlush(Refused& it, Name name) SOCKMAN_REQUIRES(javascriptThread) {
  it.world.commands.post();
  it.world.queue.push(
      {.op = Op::close, .value = kCloseFlush, .name = name, .amount = 60'000, .chunk = nullptr});
}

TEST(stoppedFlush, "stop ends a flush under way") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Refused it;
  Loop::Connection& c = stuck(it, 1);
  postFlush(it, c.name);
  it.run();
  SOCKMAN_CHECK(c.driving.flushing && !c.driving.closing);
  it.post(Name{}, Op::stop);
  it.run();
  SOCKMAN_CHECK(c.driving.closing);
}

TEST(fullRing, "a full ring stops accepts and receives only; half empty, all of them go on (N6)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  for (const uint32_t maxConnections : {0u, 100u}) {
    Refused it{World(1, maxConnections, 4)};
    Loop& loop = it.world.loop;
    Loop::Listener* listener = it.world.listeners.allocate(1);
    it.post(listener->name, Op::listen);
    std::vector<Loop::Connection*> all;
    for (int n = 0; n < 4; n++) {
      all.push_back(&stuck(it, 1));
      it.post(all.back()->name, Op::start);
    }
    it.run();
    const auto receive = [&](Loop::Connection& c) SOCKMAN_REQUIRES(drivingThread) {
      FillingBlock block(it.world.pool);
      SOCKMAN_CHECK(c.receiving && block.ensure());
      loop.received(c, block.index(), block.fill(100), 100);
    };
    const auto sends = [&](Loop::Connection& c) SOCKMAN_REQUIRES(drivingThread) {
      SOCKMAN_CHECK(c.sending);
      c.sending = false;
      loop.sent(c, 1);
      SOCKMAN_CHECK(c.shared.queued.load() == 0);
    };
    for (size_t n = 0; n < 3; n++) receive(*all[n]);
    SOCKMAN_CHECK(all[2]->receiving && !loop.starved());
    // The fourth record fills the ring: each that brings one more has to wait.
    loop.accepted(*listener, ::eventfd(0, EFD_CLOEXEC));
    SOCKMAN_CHECK(!listener->accepting && loop.starved());
    for (Loop::Connection* c : all) {
      receive(*c);
      SOCKMAN_CHECK(!c->receiving);
    }
    SOCKMAN_CHECK(loop.counters().overflows.get() == 1);
    // What was on its way when the receive was stopped comes all the same.
    receive(*(all[3]->receiving = true, all[3]));
    for (Loop::Connection* c : all) sends(*c);
    // One of them has ended, and a flush is none of JavaScript's business.
    it.post(all[0]->name, Op::close);
    postFlush(it, all[1]->name);
    it.run();
    SOCKMAN_CHECK(all[0]->forgetting && all[1]->receiving && !all[2]->receiving);
    // A hang-up comes behind what can still be read.
    loop.hungUp(*all[2], ECONNRESET);
    SOCKMAN_CHECK(!all[2]->driving.failed);
    // `head` moves on: 12 records are there (4 of `sent`), of which 2 may be left.
    loop.publish();
    EventRing::Shared& shared = *Owner::shared(it.world.ring);
    const uint32_t tail = shared.tail.load();
    it.world.ring.takeDescriptor(3);
    shared.head.store(tail - 3);
    loop.reclaim();
    loop.goOn();
    SOCKMAN_CHECK(!all[2]->receiving && !listener->accepting);
    shared.head.store(tail - 2);
    loop.reclaim();
    SOCKMAN_CHECK(!all[2]->receiving && !listener->accepting);  // not before the commands
    loop.goOn();
    SOCKMAN_CHECK(all[2]->receiving && all[3]->receiving && listener->accepting);
    it.driver.discard();
  }
}

/// A connection with a socket, of which a flush is under way: one chunk of one byte is queued. It was paused, and its
/// window full.
struct Flushed : Refused {
  Fd peer;
  Loop::Connection* c;

  Flushed() SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    c = &stuck(*this, 1);
    int ends[2];
    SOCKMAN_CHECK(sys::socketpair(ends) == 0);
    c->fd = Fd(ends[0]);
    peer = Fd(ends[1]);
    post(c->name, Op::start);
    post(c->name, Op::hold);
    run();
    receive(World::kWindow);
    SOCKMAN_CHECK(c->driving.windowClosed && c->driving.held && !c->receiving && c->room == 0);
    postFlush(*this, c->name);
    run();
  }
  void receive(size_t length) SOCKMAN_REQUIRES(drivingThread) {
    FillingBlock block(world.pool);
    SOCKMAN_CHECK(block.ensure());
    world.loop.received(*c, block.index(), block.fill(length), length);
  }
  void sendAll() SOCKMAN_REQUIRES(drivingThread) {
    c->sending = false;
    world.loop.sent(*c, 1);
  }
  bool peerSeesEnd() const {
    char byte;
    return sys::recv(peer.get(), &byte, 1) == 0;
  }
};

TEST(lingering,
     "a flush sends the queue, then our end, drops what comes, and is over at the peer's end (N69)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Flushed it;
  SOCKMAN_CHECK(it.c->receiving && it.c->room > 0 && !it.peerSeesEnd());
  const size_t free = it.world.pool.freeCount();
  for (int n = 0; n < 100; n++) it.receive(100);
  SOCKMAN_CHECK(it.c->receiving && it.c->room > 0 && it.world.pool.freeCount() == free);
  it.sendAll();
  SOCKMAN_CHECK(it.peerSeesEnd() && it.c->driving.flushing && !it.c->driving.closing && it.c->deadline);
  it.c->receiving = false;
  it.world.loop.receiveEnded(*it.c, 0);
  SOCKMAN_CHECK(it.c->driving.closing && !it.c->deadline && it.c->shared.queued.load() == 0);
}

TEST(lingeringEnded, "a flush whose peer has ended sends its queue, and is over with our end") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Flushed it;
  it.c->receiving = false;
  it.world.loop.receiveEnded(*it.c, 0);
  SOCKMAN_CHECK(!it.c->driving.closing && !it.peerSeesEnd());
  it.sendAll();
  SOCKMAN_CHECK(it.peerSeesEnd() && it.c->driving.closing && !it.c->deadline);
}

TEST(lingeringBroken, "a flush ends with an error, and at its bound; what was not sent is unsent") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  for (int how = 0; how < 4; how++) {
    Flushed it;
    if (how == 0) it.world.loop.receiveEnded(*it.c, ECONNRESET);
    if (how == 1) it.world.loop.hungUp(*it.c, ECONNRESET);
    if (how == 2) it.world.loop.sent(*it.c, -EPIPE);
    if (how == 3) it.world.loop.expire(now() + 61'000 * kMillisecond);
    SOCKMAN_CHECK(it.c->driving.closing && !it.c->deadline && it.c->shared.queued.load() == 1);
  }
}

TEST(startedConnect, "a connect receives nothing before its limits are known: before `start` (N74)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Refused it;
  Loop::Connection* c = it.world.connections.allocate();
  it.post(c->name, Op::connect, nullptr, 0);
  it.run();
  SOCKMAN_CHECK(c->driving.established && !c->receiving);
  it.post(c->name, Op::start);
  it.run();
  SOCKMAN_CHECK(c->receiving);
  it.driver.discard();
}

TEST(shares, "all that is granted and not used is no more than a burst, however many come and go (N74)") {
  struct Owner {};
  constexpr int64_t kRate = 1'000'000;
  constexpr size_t kMost = 3000, kSpare = kRate / 10;
  Owner owner;
  Pacer<Owner> pacer(kRate, 0);
  std::list<Paced<Owner>> all;
  const auto check = [&] {
    size_t granted = 0;
    for (const Paced<Owner>& each : all) granted += each.granted;
    SOCKMAN_CHECK(granted <= kSpare);
  };
  for (int round = 0; round < 2; round++) {
    while (all.size() < kMost) {
      Paced<Owner>& direction = all.emplace_back(owner, Flow::receive);
      if (pacer.divide(all.size())) {
        const size_t share = pacer.share(Flow::receive);
        for (Paced<Owner>& each : all) each.granted = std::min(each.granted, share);
      }
      direction.granted = pacer.grant(direction);
      SOCKMAN_CHECK(direction.granted > 0);
      check();
    }
    while (all.size() > 1) {
      all.pop_front();
      pacer.divide(all.size());
      // What is used is granted anew, and more.
      all.back().granted = pacer.grant(all.back());
      check();
    }
    SOCKMAN_CHECK(all.back().granted == kSpare / 16);
  }
}

TEST(flushedConnect,
     "a flush of a connect under way keeps its bound, and one of a connect that failed has none") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  for (const int error : {0, ECONNREFUSED}) {
    Refused it;
    Loop::Connection* c = it.world.connections.allocate();
    it.post(c->name, Op::connect, nullptr, EINPROGRESS);
    Chunk::Ptr chunk = Chunk::make(1);
    c->shared.queued.fetch_add(1);
    it.post(c->name, Op::send, std::move(chunk));
    postFlush(it, c->name);
    it.run();
    SOCKMAN_CHECK(c->driving.flushing && c->deadline);
    it.world.loop.connected(*c, error);
    SOCKMAN_CHECK(c->driving.closing == (error != 0) && c->deadline.has_value() == (error == 0));
    postFlush(it, c->name);
    it.run();
    SOCKMAN_CHECK(c->deadline.has_value() == (error == 0));
    it.driver.discard();
  }
}

/// What wakes a thread of the model: a flag that `wait` takes.
class Bell {
 public:
  void ring() {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    condition_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool rung_ = false;
};

/// The same owner and loop on two threads, as the thread drive runs them: for the thread sanitizer.
void onTwoThreads(uint32_t seed) {
  javascriptThread.assertHeld();
  World world(seed, 0);
  Bell toDriver, toOwner;
  Owner owner(world, seed + 1, [&] { toDriver.ring(); });
  std::thread driving([&] {
    drivingThread.assertHeld();
    Driver driver(world);
    for (;;) {
      driver.take();
      driver.execute();
      if (driver.finished()) break;
      driver.reap();
      driver.publish();
      toOwner.ring();
      if (!world.loop.engine().busy() && world.queue.empty()) toDriver.wait();
    }
    driver.publish();
    toOwner.ring();
  });
  for (int step = 0; step < 300; step++) {
    owner.act();
    if (owner.consume(3) > 0) toDriver.ring();
  }
  owner.stop();
  while (!owner.stopped()) {
    while (owner.consume(100) > 0) toDriver.ring();
    if (!owner.stopped()) toOwner.wait();
  }
  driving.join();
}

TEST(twoThreads, "the same on two threads") {
  forSeeds(100, onTwoThreads);
}

}  // namespace
}  // namespace sockman::test
