// E21 to E24: when an engine sleeps, and what ends its sleep.
#include <poll.h>

#include <atomic>
#include <semaphore>
#include <thread>

#include "world.h"

namespace sockman::test {
namespace {

bool blocks(const Row& row) {
  return row.driven == Row::Driven::blocking;
}
bool hasDescriptor(const Row& row) {
  return row.driven == Row::Driven::byDescriptor;
}

CASE(deadline, "E21 without anything to do an engine sleeps until the deadline") {
  World world(row);
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
  auto [port, peer] = world.line();
  world.client().receive(port);
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
}

CASE(stoppedPorts, "E21 it sleeps although bytes, ends and connections are there that nobody asked for") {
  World world(row);
  std::vector<World::Line> lines;
  for (int i = 0; i < 4; i++) {
    lines.push_back(world.line(i % 2 ? Family::tcp : Family::local));
    world.client().receive(lines.back().port);
  }
  world.settle();
  for (auto& line : lines) world.client().stopReceiving(line.port);
  TestPort& listener = world.port(listenOnLoopback());
  world.client().accept(listener, false);
  world.settle();
  world.client().stopAccepting(listener);
  const Fd client = beginConnect(listener.base->fd);
  for (auto& line : lines) line.peer.write(1000);
  lines[0].peer.endWriting();
  lines[1].peer.endWriting();
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
}

CASE(ended, "E21 it sleeps although a stream has ended, in both directions or by a reset") {
  World world(row);
  auto one = world.line(), both = world.line(), local = world.line(Family::local), reset = world.line(),
       stopped = world.line();
  for (auto* line : {&one, &both, &local, &reset}) world.client().receive(line->port);
  world.client().stopReceiving(stopped.port);
  for (auto* line : {&one, &both, &local}) line->peer.endWriting();
  for (auto* line : {&both, &local}) ::shutdown(line->port.base->fd.get(), SHUT_WR);
  resetConnection(reset.peer.fd);
  resetConnection(stopped.peer.fd);
  for (auto* line : {&one, &both, &local, &reset}) world.until([&] { return line->port.ends == 1; });
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
}

CASE(done, "E21 it sleeps once what was asked is done, although there is more of it") {
  World world(row);
  const Fd listener = listenOnLoopback();
  TestPort& connecting = world.port(beginConnect(listener));
  world.client().connect(connecting);
  world.until([&] { return connecting.connected.has_value(); });
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);

  auto [port, peer] = world.line();
  world.client().send(port, 1000);
  world.until([&] { return port.sends == 1; });
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);

  TestPort &one = world.port(listenOnLoopback()), &failing = world.port(listenOnLoopback());
  std::vector<Fd> clients;
  for (int i = 0; i < 3; i++) {
    for (TestPort* each : {&one, &failing}) clients.push_back(beginConnect(each->base->fd));
  }
  world.client().accept(one, true);
  world.until([&] { return one.accepted.size() == 1; });
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
  {
    DescriptorLimit limit;
    limit.allow(0);
    world.client().accept(failing, false);
    world.until([&] { return failing.acceptFailures == 1; });
  }
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
}

CASE(starvedEnd, "E21 it sleeps although a connection has ended whose bytes wait for a block") {
  for (const Family family : kFamilies) {
    World world(row, {.block = 4096, .initial = 2, .most = 2});
    world.client().holding = true;
    std::vector<World::Line> lines;
    for (int i = 0; i < 3; i++) {
      lines.push_back(world.line(family));
      world.client().receive(lines.back().port);
      lines.back().peer.write(20'000);
    }
    world.until([&] { return world.engine().starving(); });
    world.settle();
    for (auto& line : lines) {
      if (family == Family::tcp)
        resetConnection(line.peer.fd);
      else
        line.peer.fd.reset();
    }
    world.settle();
    SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
  }
}

CASE(during, "E21 what happens while it sleeps ends the sleep") {
  World world(row);
  auto [port, peer] = world.line();
  TestPort& listener = world.port(listenOnLoopback());
  auto full = world.line(Family::local);
  while (!full.port.sending) {
    world.client().send(full.port, 100'000);
    world.settle();
  }
  world.client().receive(port);
  world.client().accept(listener, false);
  world.settle();
  Fd client;
  const Address address = *localAddress(listener.base->fd.get());
  // The sockets are the thread's alone while it lasts.
  const auto later = [&](auto&& act, auto&& done) {
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      act();
    });
    world.until(done);
    other.join();
  };
  later([&, &peer = peer] { peer.write(10); }, [&, &port = port] { return port.received == 10; });
  later([&] { client = beginConnect(address); }, [&] { return listener.accepted.size() == 1; });
  later([&] { full.peer.drain(); }, [&] { return !full.port.sending; });
  SOCKMAN_CHECK(full.port.lastSent >= 0);
}

CASE_FOR(blocks, never, "E21 without a deadline it sleeps until a wake") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().receive(port);
  world.settle();
  std::atomic<bool> woken = false;
  std::thread waker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    woken = true;
    world.engine().wake();
  });
  int turns = 0;
  for (; !woken; turns++) world.turn(kNever);
  waker.join();
  SOCKMAN_CHECK(turns <= kFew);
}

CASE(starved, "E21 it sleeps although bytes wait for a block") {
  World world(row, {.block = 4096, .initial = 2, .most = 2});
  world.client().holding = true;
  std::vector<World::Line> lines;
  for (int i = 0; i < 3; i++) {
    lines.push_back(world.line(Family::local));
    world.client().receive(lines.back().port);
    lines.back().peer.write(20'000);
  }
  world.until([&] { return world.engine().starving(); });
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
}

CASE(fullKernel, "E21 it sleeps although a send waits for room, or a connect for its answer") {
  World world(row);
  auto [port, peer] = world.line();
  while (!port.sending) {
    world.client().send(port, 200'000);
    world.settle();
  }
  const Fd listener = listenOnLoopback(0);
  std::vector<Fd> queued;
  for (int i = 0; i < 2; i++) queued.push_back(beginConnect(listener));
  world.client().connect(world.port(beginConnect(listener)));
  world.settle();
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
}

CASE(somethingToReap, "E22 it does not sleep while there is something to reap") {
  // Each `until` would sleep to its limit, and fail.
  World world(row);
  TestPort& idle = world.line().port;
  world.client().forget(idle);
  world.until([&] { return idle.forgotten; });
  auto [port, peer] = world.line(Family::local);
  world.client().send(port, 10);
  world.until([&] { return port.sends == 1; });
  world.client().receive(port);
  peer.write(10);
  peer.endWriting();
  world.gather();
  world.until([&] { return port.ends == 1; });
}

CASE_FOR(blocks, wakeBefore, "E23 a wake ends the next wait, and that one only") {
  World world(row);
  for (int i = 0; i < 20; i++) {
    for (int wakes = 0; wakes <= i % 3; wakes++) world.engine().wake();
    const Time begun = now();
    world.turn(begun + 20'000 * kMillisecond);
    SOCKMAN_CHECK(now() < begun + 10'000 * kMillisecond);
  }
  SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
}

CASE_FOR(blocks, wakeDuring, "E23 a wake from another thread ends the wait, whenever it comes") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().receive(port);
  std::binary_semaphore go{0};
  // Atomic, since the sanitizer does not see that a wake through io_uring orders the two threads.
  std::atomic<bool> stopping = false;
  std::thread waker([&] {
    for (go.acquire(); !stopping; go.acquire()) world.engine().wake();
  });
  for (int i = 0; i < 500; i++) {
    const Time begun = now();
    go.release();  // the wake comes before the wait, or at its beginning, or later
    world.turn(begun + 20'000 * kMillisecond);
    SOCKMAN_CHECK(now() < begun + 10'000 * kMillisecond);
  }
  stopping = true;
  go.release();
  waker.join();
}

CASE_FOR(blocks, wakeWithWork, "E23 a wake is not lost beside what there is to reap") {
  World world(row);
  auto [port, peer] = world.line(Family::local);
  world.client().receive(port);
  for (int i = 1; i <= 50; i++) {
    peer.write(10);
    world.engine().wake();
    world.until([&] { return port.received == static_cast<uint64_t>(i) * 10; });
  }
}

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

CASE_FOR(hasDescriptor, descriptor,
         "E24 the descriptor is readable after a wake or with something to reap, and not else") {
  World world(row);
  AnyEngine& engine = world.engine();
  const int fd = engine.completionFd();
  world.settle();
  SOCKMAN_CHECK(!readable(fd) && !engine.busy());
  engine.wake();
  SOCKMAN_CHECK(readable(fd));
  world.settle();
  SOCKMAN_CHECK(!readable(fd) && !engine.busy());
  auto [port, peer] = world.line();
  world.client().receive(port);
  engine.submit();
  world.settle();
  SOCKMAN_CHECK(!readable(fd) && !engine.busy());
  peer.write(10);
  SOCKMAN_CHECK(readable(fd) || engine.busy());
  world.until([&] { return port.received == 10; });
  world.settle();
  SOCKMAN_CHECK(!readable(fd) && !engine.busy() && engine.completionFd() == fd);
}

CASE_FOR(hasDescriptor, busy, "E24 what needs no kernel makes the engine busy") {
  World world(row);
  TestPort& port = world.line().port;
  world.client().forget(port);
  world.engine().submit();
  SOCKMAN_CHECK(world.engine().busy() || readable(world.engine().completionFd()));
}

CASE_FOR(hasDescriptor, windUp, "E22 an engine that another loop drove is wound up by wait") {
  World world(row);
  for (int i = 0; i < 4; i++) {
    auto [port, peer] = world.line();
    world.client().receive(port);
    if (i % 2) world.client().send(port, 1000);
  }
  TestPort& listener = world.port(listenOnLoopback());
  world.client().accept(listener, false);
  world.settle();
  for (auto& port : world.client().all()) world.client().forget(*port);
  const Time limit = now() + 20'000 * kMillisecond;
  while (world.client().live() > 0) {
    world.engine().wait(limit);
    SOCKMAN_CHECK(now() < limit);
    world.client().beginReap();
    world.engine().reap(world.client());
    world.client().endReap();
  }
}

}  // namespace
}  // namespace sockman::test
