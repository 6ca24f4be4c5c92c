// E9, E11 and E29: a reset of a port that does not receive, and what is no such thing.
#include "world.h"

namespace sockman::test {
namespace {

/// The reset is told as the row can: by itself, or by the receive that follows.
void expectReset(World& world, TestPort& port) {
  if (world.row.hangUps) {
    world.until([&] { return port.hangUps > 0; });
    SOCKMAN_CHECK(port.hangUps == 1 && port.hangUpError == ECONNRESET && port.ends == 0);
    world.settle();
    SOCKMAN_CHECK(port.hangUps == 1);
  } else {
    world.settle();
    SOCKMAN_CHECK(port.hangUps == 0 && port.ends == 0);
  }
  world.client().receive(port);
  world.until([&] { return port.ends == 1; });
  // The socket tells its error once: after that its end is an end.
  SOCKMAN_CHECK(port.endError == (world.row.hangUps ? 0 : ECONNRESET));
}

CASE(stopped, "E9 a reset of a stopped port is told once as hungUp, where the mechanism can") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().receive(port);
  peer.write(1000);
  world.until([&] { return port.received == 1000; });
  world.client().stopReceiving(port);
  world.settle();
  resetConnection(peer.fd);
  expectReset(world, port);
}

CASE(neverAsked, "E9 stopReceiving is enough: the port has never received") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().stopReceiving(port);
  world.settle();
  resetConnection(peer.fd);
  expectReset(world, port);
}

CASE(afterFin, "E9 a reset behind the end of the stream is told too, whether the port was stopped or not") {
  if (!row.hangUps) return;
  for (const bool stopped : {true, false}) {
    World world(row);
    auto [port, peer] = world.line();
    world.client().receive(port);
    peer.endWriting();
    world.until([&] { return port.ends == 1; });
    if (stopped) world.client().stopReceiving(port);
    world.settle();
    const int before = port.hangUps;
    resetConnection(peer.fd);
    world.until([&] { return port.hangUps > before; });
    SOCKMAN_CHECK(port.hangUpError == EPIPE || port.hangUpError == ECONNRESET);
  }
}

CASE(receiving, "E9 a port that receives is told by receiveEnded, and not by hungUp") {
  World world(row);
  std::vector<World::Line> lines;
  for (int i = 0; i < 8; i++) {
    lines.push_back(world.line());
    world.client().receive(lines.back().port);
  }
  world.settle();
  for (auto& line : lines) {
    line.peer.write(30'000);
    resetConnection(line.peer.fd);
  }
  // `hungUp` before the end would be refused by the client.
  for (auto& line : lines) world.until([&] { return line.port.ends == 1; });
  for (auto& line : lines) SOCKMAN_CHECK(line.port.endError == ECONNRESET);
}

CASE(stoppedBehind, "E9 a reset that came while the port starved is told when it is stopped") {
  if (!row.hangUps) return;
  World world(row, {.block = 4096, .initial = 2, .most = 2});
  world.client().holding = true;
  auto greedy = world.line(Family::local), starved = world.line();
  world.client().receive(greedy.port);
  greedy.peer.write(30'000);
  world.settle();
  world.client().receive(starved.port);
  starved.peer.write(10);
  world.until([&] { return world.engine().starving(); });
  world.settle();
  resetConnection(starved.peer.fd);
  world.settle();
  world.client().stopReceiving(starved.port);
  world.client().receive(starved.port);
  world.client().stopReceiving(starved.port);
  world.until([&] { return starved.port.hangUps > 0; });
  world.settle();
  world.client().release();
  world.settle();
  SOCKMAN_CHECK(starved.port.hangUps == 1);
  SOCKMAN_CHECK(starved.port.hangUpError == ECONNRESET);
}

CASE(askedAgain,
     "E9 a reset that came while the port starved is the receive's to tell when it is asked again") {
  enum class Then { receive, forget };
  for (const Then then : {Then::receive, Then::forget}) {
    World world(row, {.block = 4096, .initial = 2, .most = 2});
    world.client().holding = true;
    auto greedy = world.line(Family::local), starved = world.line();
    world.client().receive(greedy.port);
    greedy.peer.write(30'000);
    world.settle();
    world.client().receive(starved.port);
    starved.peer.write(10);
    world.until([&] { return world.engine().starving(); });
    world.settle();
    resetConnection(starved.peer.fd);
    world.settle();
    world.client().stopReceiving(starved.port);
    if (then == Then::forget) {
      world.client().forget(starved.port);
      world.until([&] { return starved.port.forgotten; });
      continue;
    }
    world.client().receive(starved.port);
    world.settle();  // the client refuses hungUp
    world.until([&] {
      world.client().release();
      return starved.port.ends == 1;
    });
    SOCKMAN_CHECK(starved.port.endError == ECONNRESET && starved.port.hangUps == 0);
  }
}

CASE(bothEnds, "E9 two orderly ends are no error") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().receive(port);
  peer.endWriting();
  world.until([&] { return port.ends == 1; });
  world.client().stopReceiving(port);
  ::shutdown(port.base->fd.get(), SHUT_WR);
  world.settle();
  SOCKMAN_CHECK(port.hangUps == 0);
}

CASE(onceMore, "E29 a reset that was told is not told again when the port receives and is stopped at once") {
  if (!row.hangUps) return;
  World world(row);
  auto [port, peer] = world.line();
  world.client().stopReceiving(port);
  world.settle();
  resetConnection(peer.fd);
  world.until([&] { return port.hangUps == 1; });
  for (int i = 0; i < 3; i++) {
    world.client().receive(port);
    world.client().stopReceiving(port);
    world.settle();
  }
  SOCKMAN_CHECK(port.hangUps == 1);
}

CASE(toldByTheEnd, "E29 a reset that receiveEnded told is not told again when the port is stopped") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().receive(port);
  world.settle();
  resetConnection(peer.fd);
  world.until([&] { return port.ends == 1; });
  SOCKMAN_CHECK(port.endError == ECONNRESET);
  world.client().stopReceiving(port);
  world.settle();
  SOCKMAN_CHECK(port.hangUps == 0);
}

/// A listener that does not accept comes to its end; the engine sleeps, and the next `accept` tells the error.
void endListener(const Row& row, void (*end)(int fd), int error) {
  for (const bool once : {false, true}) {
    World world(row);
    auto [neighbour, peer] = world.line();
    world.client().receive(neighbour);
    TestPort& port = world.port(listenOnLoopback());
    const Fd client = beginConnect(port.base->fd);
    world.client().accept(port, once);
    world.until([&] { return port.accepted.size() == 1; });
    world.client().stopAccepting(port);
    world.settle();
    end(port.base->fd.get());
    world.settle();
    SOCKMAN_CHECK(world.turnsWhileIdle() <= 5);
    SOCKMAN_CHECK(port.acceptFailures == 0);
    world.client().accept(port, once);
    world.until([&] { return port.acceptFailures == 1; });
    SOCKMAN_CHECK(port.acceptError == error);
    peer.write(1000);
    world.until([&] { return neighbour.received == 1000; });
    SOCKMAN_CHECK(port.hangUps == 0 && neighbour.hangUps == 0);
  }
}

CASE(listenerClosed, "E11 a listener that does not accept is closed behind the engine's back: no hang-up") {
  endListener(
      row, [](int fd) { ::close(fd); }, EBADF);
}

CASE(listenerShutDown, "E11 a listener that does not accept is shut down: no hang-up") {
  endListener(
      row, [](int fd) { ::shutdown(fd, SHUT_RDWR); }, EINVAL);
}

}  // namespace
}  // namespace sockman::test
