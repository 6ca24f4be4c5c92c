// E5 to E7, E12 and E15: what comes in.
#include <poll.h>

#include <deque>
#include <thread>

#include "world.h"

namespace sockman::test {
namespace {

/// Writes to each peer, as it has room, 20 000 bytes more than to the one before, and ends it.
void writeAndEnd(std::deque<World::Line>& lines) {
  std::vector<pollfd> open;
  for (auto& line : lines) open.push_back({line.peer.fd.get(), POLLOUT, 0});
  for (size_t left = open.size(); left > 0;) {
    SOCKMAN_CHECK(::poll(open.data(), open.size(), -1) > 0);
    for (size_t i = 0; i < open.size(); i++) {
      if (open[i].revents == 0) continue;
      Peer& peer = lines[i].peer;
      const uint64_t all = 20'000 * i;
      if (peer.wrote < all) peer.write(all - peer.wrote);
      if (peer.wrote < all) continue;
      peer.endWriting();
      open[i].fd = -1;
      left--;
    }
  }
}

CASE(bytes, "E5 each port gets its own bytes, in their order, each once") {
  World world(row);
  std::vector<World::Line> lines;
  for (int i = 0; i < 3; i++) {
    for (const Family family : kFamilies) lines.push_back(world.line(family));
  }
  for (auto& line : lines) world.client().receive(line.port);
  constexpr uint64_t kEach = 600'000;
  world.until([&] {
    bool all = true;
    for (auto& [port, peer] : lines) {
      if (peer.wrote < kEach) peer.write(std::min<uint64_t>(50'000, kEach - peer.wrote));
      port.base->room = 1 << 20;
      all = all && port.received == kEach;
    }
    return all;
  });
}

CASE(manyBlocks, "E5 a pool of more blocks than 16 bits can number") {
  constexpr uint32_t kBlocks = 70'000;
  World world(row, {.block = 4096, .initial = kBlocks, .most = kBlocks});
  world.client().holding = true;
  auto [port, peer] = world.line(Family::local);
  world.client().receive(port);
  constexpr uint64_t kBytes = 1'000'000;
  world.until([&] {
    if (peer.wrote < kBytes) peer.write(kBytes - peer.wrote);
    port.base->room = 1 << 20;
    return port.received == kBytes;
  });
}

CASE(heldBlocks, "E5 what a record points at stays as it is until the block is released") {
  World world(row);
  world.client().holding = true;
  auto one = world.line(), other = world.line(Family::local);
  world.client().receive(one.port);
  world.client().receive(other.port);
  for (uint64_t round = 1; round <= 20; round++) {
    for (auto* line : {&one, &other}) {
      line->peer.write(1000);
      world.until([&] { return line->port.received == round * 1000; });
    }
  }
  world.client().release();  // checks the bytes again
}

CASE(room, "E6 no more than the room comes, and the rest when there is room again") {
  constexpr size_t kBlock = 4096;
  for (const size_t room : {size_t{1}, size_t{1000}, 2 * kBlock, 3 * kBlock + 1}) {
    World world(row, {.block = kBlock, .initial = 8, .most = 32});
    auto [port, peer] = world.line(Family::local);
    port.base->room = room;
    world.client().receive(port);
    const uint64_t all = 3 * room + 5;
    peer.write(all);
    while (port.received < all) {
      world.until([&] { return port.base->room == 0 || port.received == all; });
      world.settle();
      if (port.base->room > 0) break;
      port.base->room = room;
      world.client().receive(port);
    }
    world.settle();
    SOCKMAN_CHECK(port.received == all && port.ends == 0);
  }
}

CASE(roomAgain, "E6 nor when it was stopped and asked again meanwhile") {
  constexpr size_t kBlock = 4096;
  World world(row, {.block = kBlock, .initial = 8, .most = 32});
  auto [port, peer] = world.line(Family::local);
  constexpr uint64_t kAll = 60'000;
  peer.write(kAll);
  world.client().inside = [&](Report report, TestPort& told) {
    if (report != Report::received || told.base->room == 0) return;
    world.client().stopReceiving(told);
    world.client().receive(told);
  };
  while (port.received < kAll) {
    port.base->room = 2 * kBlock;
    world.client().receive(port);
    world.until([&] { return port.base->room == 0 || port.received == kAll; });
  }
  world.settle();
  SOCKMAN_CHECK(port.ends == 0);
}

CASE(end, "E7 the end of a stream comes once, after its bytes, and again when it is asked for again") {
  for (const Family family : kFamilies) {
    World world(row);
    auto [port, peer] = world.line(family);
    world.client().receive(port);
    peer.write(100'000);
    peer.endWriting();
    world.until([&] { return port.ends == 1; });
    SOCKMAN_CHECK(port.received == 100'000 && port.endError == 0);
    world.settle();
    SOCKMAN_CHECK(port.ends == 1);
    world.client().receive(port);
    world.until([&] { return port.ends == 2; });
    SOCKMAN_CHECK(port.endError == 0);
    world.settle();
    SOCKMAN_CHECK(port.ends == 2);
  }
}

// A multishot receive of io_uring's can miss the end that comes while it hands over bytes (N18).
CASE(endBehindBytes, "E7 the end is seen that comes while bytes are handed over") {
  constexpr size_t kBlock = 4096;
  for (int round = 0; round < 10; round++) {
    World world(row, {.block = kBlock, .initial = 1024, .most = 8192});
    std::deque<World::Line> lines;
    for (int i = 0; i < 40; i++) lines.push_back(world.line(Family::local));
    for (auto& line : lines) world.client().receive(line.port);
    std::thread writer([&lines] { writeAndEnd(lines); });
    for (auto& line : lines) {
      world.until([&] {
        for (auto& each : lines) {
          each.port.base->room = 1 << 20;
          if (!each.port.receiving && each.port.ends == 0) world.client().receive(each.port);
        }
        return line.port.ends > 0;
      });
    }
    writer.join();
  }
}

CASE(wholeBlocks, "E7 bytes that fill a block to its end are no end") {
  constexpr size_t kBlock = 4096;
  World world(row, {.block = kBlock, .initial = 8, .most = 32});
  for (const Family family : kFamilies) {
    auto [port, peer] = world.line(family);
    world.client().receive(port);
    for (const size_t blocks : {1, 2, 3}) {
      peer.write(blocks * kBlock);
      world.until([&] { return port.received == peer.wrote; });
      world.settle();
      SOCKMAN_CHECK(port.ends == 0);
    }
  }
}

CASE(reset, "E7 a reset ends receiving, once, with its errno") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().receive(port);
  world.settle();
  resetConnection(peer.fd);
  world.until([&] { return port.ends == 1; });
  SOCKMAN_CHECK(port.endError == ECONNRESET);
  world.settle();
  SOCKMAN_CHECK(port.ends == 1);
}

CASE(resetAfterBytes, "E7 a reset behind bytes ends receiving with its errno too") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().receive(port);
  world.settle();
  peer.write(200'000);
  resetConnection(peer.fd);
  world.until([&] { return port.ends == 1; });
  SOCKMAN_CHECK(port.endError == ECONNRESET);
}

CASE(twice, "E12 receive and stopReceiving twice are as once") {
  World world(row);
  auto [port, peer] = world.line();
  for (int i = 0; i < 3; i++) world.client().receive(port);
  peer.write(1000);
  world.until([&] { return port.received == 1000; });
  for (int i = 0; i < 3; i++) world.client().stopReceiving(port);
  world.settle();
  for (int i = 0; i < 3; i++) world.client().stopReceiving(port);
  for (int i = 0; i < 3; i++) world.client().receive(port);
  peer.write(1000);
  peer.endWriting();
  world.until([&] { return port.ends == 1; });
  world.settle();
  SOCKMAN_CHECK(port.received == 2000 && port.ends == 1);
}

CASE(endUntold, "E12 receive is under way while an end waits to be told: the end is told once") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().receive(port);
  peer.write(1000);
  peer.endWriting();
  world.gather();
  world.client().receive(port);
  world.gather();
  world.client().stopReceiving(port);
  world.client().receive(port);
  world.gather();
  world.until([&] { return port.ends == 1; });
  world.settle();
  SOCKMAN_CHECK(port.received == 1000 && port.ends == 1);
}

CASE(stopped, "E15 a stopped port gets nothing, and everything once it is asked again") {
  for (const Family family : kFamilies) {
    World world(row);
    auto [port, peer] = world.line(family);
    for (uint64_t round = 1; round <= 3; round++) {
      world.client().receive(port);
      world.until([&] { return port.received == peer.wrote; });
      world.settle();
      world.client().stopReceiving(port);
      world.settle();
      peer.write(100);
      world.settle();
      SOCKMAN_CHECK(port.received == (round - 1) * 100);
    }
    world.client().receive(port);
    peer.write(700);
    world.until([&] { return port.received == 1000; });
    world.client().stopReceiving(port);
    world.settle();
    peer.write(100'000);
    peer.endWriting();
    world.settle();
    SOCKMAN_CHECK(port.received == 1000 && port.ends == 0);
    world.client().receive(port);
    world.until([&] { return port.ends == 1; });
    SOCKMAN_CHECK(port.received == 101'000 && port.endError == 0);
  }
}

CASE(stoppedOften, "E15 nothing is lost however often a port is stopped") {
  World world(row, {.block = 4096, .initial = 8, .most = 32});
  auto [port, peer] = world.line(Family::local);
  for (int i = 0; i < 100; i++) {
    world.client().receive(port);
    if (i % 3 == 0) world.turn(0);
    peer.write(3000);
    if (i % 2 == 0) world.turn(0);
    world.client().stopReceiving(port);
    if (i % 5 == 0) world.turn(0);
    port.base->room = 1 << 20;
  }
  world.client().receive(port);
  world.until([&] { return port.received == peer.wrote; });
}

}  // namespace
}  // namespace sockman::test
