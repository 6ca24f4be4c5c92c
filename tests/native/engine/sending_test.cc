// E8 and E16: what goes out.
#include <sys/mman.h>

#include "world.h"

namespace sockman::test {
namespace {

/// Sends until the kernel takes no more: a send is under way then, and is not told. Of TCP the kernel may take
/// more later, by itself.
void fill(World& world, TestPort& port) {
  for (;;) {
    world.client().send(port, 100'000, 3);
    world.settle();
    if (port.sending) return;
    SOCKMAN_CHECK(port.lastSent > 0);
  }
}

CASE(parts,
     "E8 a send is told once with a count, and the peer gets so many bytes of the parts, in their order") {
  for (const Family family : kFamilies) {
    for (const int count : {1, 3, PortBase::kMaxParts}) {
      World world(row);
      auto [port, peer] = world.line(family);
      for (int sends = 1; sends <= 10; sends++) {
        world.client().send(port, 20'000, count);
        world.until([&] {
          peer.drain();
          return port.sends == sends;
        });
        SOCKMAN_CHECK(port.lastSent > 0);
      }
      peer.drainTo(port.sent);
    }
  }
}

CASE(large, "E8 a part of 4 GiB, or a little more, is not cut to none, or a little") {
  const size_t size = (size_t{1} << 32) + 5;
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  SOCKMAN_CHECK(memory != MAP_FAILED);
  for (const Family family : kFamilies) {
    for (const size_t length : {size - 5, size}) {
      World world(row);
      auto [port, peer] = world.line(family);
      // A count of 0 says that there may be room, and there is: the next count is another.
      for (int sends = 0; sends < 2 && port.lastSent == 0; sends++) {
        world.client().send(port, iovec{memory, length});
        world.until([&] { return !port.sending; });
      }
      SOCKMAN_CHECK(port.lastSent > 5);
    }
  }
  ::munmap(memory, size);
}

CASE(full, "E8 a send that the kernel does not take is told when the peer has read") {
  for (const Family family : kFamilies) {
    World world(row);
    auto [port, peer] = world.line(family);
    fill(world, port);
    world.until([&] {
      peer.drain();
      return !port.sending;
    });
    SOCKMAN_CHECK(port.lastSent >= 0);
    // A count of 0 says that there may be room.
    while (port.lastSent == 0) {
      world.client().send(port, 1000);
      world.until([&] { return !port.sending; });
    }
    peer.drainTo(port.sent);
  }
}

CASE(taken, "E8 a send that finds no room, where there was some, is told when there is room again") {
  World world(row);
  std::vector<World::Line> lines;
  for (int i = 0; i < 3; i++) lines.push_back(world.line(Family::local));
  auto& [port, peer] = lines[1];
  std::array<std::byte, 4096> bytes{};
  // Whichever of the others comes first takes the room that the engine may have seen.
  world.client().inside = [&, fd = port.base->fd.get()](Report report, TestPort&) {
    if (report != Report::received) return;
    while (::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
  };
  for (size_t i : {0, 2}) world.client().receive(lines[i].port);
  world.settle();
  for (size_t i : {0, 2}) lines[i].peer.write(10);
  world.client().send(lines[1].port, 1000);
  world.settle();
  world.client().inside = [](Report, TestPort&) {};
  world.until([&, &fd = peer.fd, &port = port] {
    while (::recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
    return port.sends == 1;
  });
  SOCKMAN_CHECK(lines[1].port.lastSent >= 0);
}

CASE(broken, "E8 a send on a connection that breaks is told, with an errno in the end") {
  for (const Family family : kFamilies) {
    for (const bool waiting : {false, true}) {
      World world(row);
      auto [port, peer] = world.line(family);
      if (waiting) fill(world, port);
      if (family == Family::tcp)
        resetConnection(peer.fd);
      else
        peer.fd.reset();
      if (!waiting) world.client().send(port, 1000);
      world.until([&] { return !port.sending; });
      // What waited may have come to nothing, or to a part: the next attempt meets the error.
      while (port.lastSent >= 0) {
        world.client().send(port, 1000);
        world.until([&] { return !port.sending; });
      }
      SOCKMAN_CHECK(port.lastSent == -EPIPE || port.lastSent == -ECONNRESET);
    }
  }
}

CASE(endedWhileWaiting,
     "E8 a send that waits is reported when the peer ends both directions and reads nothing") {
  if (!row.hangUps) return;  // select(2) shows a hang-up to those alone that wait to read
  World world(row);
  auto [port, peer] = world.line(Family::local);
  world.client().stopReceiving(port);
  fill(world, port);
  // A hang-up that leaves no room: what the peer has not read stays in the kernel.
  ::shutdown(peer.fd.get(), SHUT_RDWR);
  world.until([&] { return !port.sending; });
  SOCKMAN_CHECK(port.lastSent == -EPIPE);
}

CASE(bothWays, "E8 sending and receiving go on beside each other") {
  World world(row);
  auto [port, peer] = world.line();
  constexpr uint64_t kEach = 1'000'000;
  world.client().receive(port);
  world.until([&] {
    if (!port.sending && port.sent < kEach) world.client().send(port, 70'000, 2);
    if (peer.wrote < kEach) peer.write(70'000);
    port.base->room = 1 << 20;
    peer.drain();
    return port.sent >= kEach && port.received == peer.wrote && peer.wrote >= kEach && peer.read == port.sent;
  });
}

CASE(stoppedBeside, "E8 a send that waits goes on while receiving is stopped and asked again") {
  World world(row);
  auto [port, peer] = world.line(Family::local);
  world.client().receive(port);
  fill(world, port);
  world.client().stopReceiving(port);
  world.settle();
  SOCKMAN_CHECK(port.sending);
  world.until([&] {
    peer.drain();
    return !port.sending;
  });
}

CASE(forgotten, "E8 what is told of a send that is forgotten is no more than the peer gets") {
  for (const Family family : kFamilies) {
    World world(row);
    auto [port, peer] = world.line(family);
    // So that the kernel takes a part of what waits.
    constexpr int kSmall = 4096;
    setsockopt(port.base->fd.get(), SOL_SOCKET, SO_SNDBUF, &kSmall, sizeof kSmall);
    fill(world, port);
    for (int i = 0; i < 3 && port.sending; i++) {
      peer.drain();
      world.settle();
    }
    world.client().forget(port);
    world.until([&] { return port.forgotten; });
    while (!peer.ended) {
      pollfd entry{peer.fd.get(), POLLIN, 0};
      SOCKMAN_CHECK(::poll(&entry, 1, 20'000) == 1);
      peer.drain();
    }
    SOCKMAN_CHECK(peer.read >= port.sent);
  }
}

CASE(blocked, "E16 a send that waits keeps no other port from going on") {
  World world(row);
  auto waits = world.line(Family::local), goes = world.line();
  fill(world, waits.port);
  world.client().receive(goes.port);
  goes.peer.write(1000);
  world.client().send(goes.port, 1000);
  world.until([&] { return goes.port.received == 1000 && goes.port.sends == 1; });
  SOCKMAN_CHECK(waits.port.sending);
}

}  // namespace
}  // namespace sockman::test
