// E19 and E20: receive memory that is not enough for all.
#include "world.h"

namespace sockman::test {
namespace {

constexpr Memory kLittle{.block = 4096, .initial = 2, .most = 4};

/// Ports that want more than the pool has, and a client that keeps what it gets.
struct Famine {
  explicit Famine(const Row& row, int count = 3) : world(row, kLittle) {
    world.client().holding = true;
    for (int i = 0; i < count; i++) {
      lines.push_back(world.line(Family::local));
      world.client().receive(lines.back().port);
      lines.back().peer.write(50'000);
    }
    world.until([&] { return world.engine().starving(); });
    world.settle();
  }
  World world;
  std::vector<World::Line> lines;
};

CASE(starving, "E19 without a block ports starve, and with blocks again all of them go on, losing nothing") {
  Famine famine(row);
  World& world = famine.world;
  SOCKMAN_CHECK(world.engine().starving());
  const auto total = [&] {
    uint64_t sum = 0;
    for (auto& line : famine.lines) sum += line.port.received;
    return sum;
  };
  while (total() < 150'000) {
    const uint64_t before = total();
    world.client().release();
    world.until([&] { return total() > before; });
  }
  world.client().release();
  world.settle();
  SOCKMAN_CHECK(!world.engine().starving());
}

CASE(goneWhileStarving, "E19 a port that starves is stopped and forgotten, and the rest goes on") {
  Famine famine(row);
  World& world = famine.world;
  auto &first = famine.lines[0], &second = famine.lines[1], &third = famine.lines[2];
  world.client().stopReceiving(first.port);
  world.client().forget(second.port);
  world.until([&] { return second.port.forgotten; });
  world.settle();
  const uint64_t before = first.port.received;
  world.until([&] {
    world.client().release();
    return third.port.received == 50'000;
  });
  SOCKMAN_CHECK(first.port.received == before);
  world.client().receive(first.port);
  world.until([&] {
    world.client().release();
    return first.port.received == 50'000;
  });
}

CASE(allStopped, "E19 nothing starves when all that starved are stopped or forgotten and blocks are back") {
  Famine famine(row);
  World& world = famine.world;
  for (auto& line : famine.lines) {
    if (&line == &famine.lines.front())
      world.client().stopReceiving(line.port);
    else
      world.client().forget(line.port);
  }
  world.until([&] { return famine.lines.back().port.forgotten; });
  world.client().release();
  world.settle();
  SOCKMAN_CHECK(!world.engine().starving());
}

CASE(allForgotten, "E19 nothing starves when all that starved are forgotten, without a block too") {
  Famine famine(row);
  World& world = famine.world;
  for (auto& line : famine.lines) world.client().forget(line.port);
  world.until([&] { return world.client().live() == 0; });
  SOCKMAN_CHECK(!world.engine().starving());
}

CASE(goneBetweenBlocks, "E19 nor when they are forgotten from inside a report, between two blocks") {
  World world(row, {.block = 4096, .initial = 2, .most = 2});
  world.client().holding = true;
  auto one = world.line(Family::local), other = world.line(Family::local);
  for (auto* line : {&one, &other}) {
    line->port.base->room = 6000;  // for io_uring: one receive at a time
    world.client().receive(line->port);
  }
  world.settle();
  int reports = 0;
  world.client().inside = [&](Report report, TestPort&) {
    // The second block is the last: both ports want one more.
    if (report != Report::received || ++reports != 2) return;
    for (auto* line : {&one, &other}) world.client().forget(line->port);
  };
  for (auto* line : {&one, &other}) line->peer.write(20'000);
  world.until([&] { return one.port.forgotten && other.port.forgotten; });
  world.settle();
  SOCKMAN_CHECK(!world.engine().starving());
}

CASE(withoutBytes, "E19 a port that starves and has no bytes keeps no other from a block") {
  for (const bool swapped : {false, true}) {
    World world(row, {.block = 4096, .initial = 2, .most = 2});
    world.client().holding = true;
    auto one = world.line(Family::local), other = world.line(Family::local);
    auto &idle = swapped ? other : one, &busy = swapped ? one : other;
    for (auto* line : {&one, &other}) {
      line->port.base->room = 6000;  // for io_uring: one receive at a time
      world.client().receive(line->port);
    }
    world.settle();
    idle.peer.write(4096);
    busy.peer.write(6000);
    world.until([&] { return world.engine().starving(); });
    world.settle();
    world.client().holding = false;
    world.client().release();
    world.until([&] { return idle.port.received == 4096 && busy.port.received == 6000; });
  }
}

CASE(stoppedAll, "E19 a port that was stopped starves no more") {
  Famine famine(row);
  for (auto& line : famine.lines) famine.world.client().stopReceiving(line.port);
  SOCKMAN_CHECK(!famine.world.engine().starving());
  for (auto& line : famine.lines) famine.world.client().receive(line.port);
  for (auto& line : famine.lines) {
    famine.world.until([&] {
      famine.world.client().release();
      return line.port.received == 50'000;
    });
  }
}

CASE(releasedInside, "E20 a block that a report gives back is enough for a port that starves") {
  World world(row, {.block = 16 * 1024, .initial = 1, .most = 1});
  std::vector<World::Line> lines;
  for (int i = 0; i < 4; i++) {
    lines.push_back(world.line(Family::local));
    world.client().receive(lines.back().port);
  }
  for (auto& line : lines) line.peer.write(40'000);
  // The client releases in each report, and never says `replenish`.
  for (auto& line : lines) world.until([&] { return line.port.received == 40'000; });
}

}  // namespace
}  // namespace sockman::test
