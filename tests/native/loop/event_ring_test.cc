#include <sockman/check.h>
#include <sockman/event_ring.h>

#include "../test.h"

namespace sockman::test {
namespace {

struct Ring {
  EventRing ring{*Region::map(sizeof(EventRing::Shared))};
  EventRing::Shared& shared = *reinterpret_cast<EventRing::Shared*>(ring.memory()->base());
  int32_t pushed = 0, next = 0;

  void push(int count) SOCKMAN_REQUIRES(drivingThread) {
    for (int n = 0; n < count; n++) ring.push({.event = Event::drained, .slot = pushed++});
    ring.publish();
  }
  /// As JavaScript does: each record is the one that follows the record before.
  void consume(uint32_t most) SOCKMAN_REQUIRES(javascriptThread) {
    for (; most > 0 && !ring.empty(); most--) {
      const uint32_t head = shared.head.load();
      SOCKMAN_CHECK(shared.records[head % EventRing::kCapacity].slot == next++);
      shared.head.store(head + 1);
    }
  }
  void reclaim() SOCKMAN_REQUIRES(drivingThread) {
    ring.reclaim([](const Record&) {});
  }
};

TEST(fullRing, "what finds no room in the ring waits, and nothing overtakes it (N6)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Ring it;
  it.push(EventRing::kCapacity + 300);
  SOCKMAN_CHECK(!it.ring.hasRoom() && !it.ring.flushed());
  it.consume(100);
  it.push(1);  // there is room by now, which is not looked at yet
  it.reclaim();
  it.push(1);
  for (int round = 0; round < 3; round++) {
    it.consume(EventRing::kCapacity);
    it.reclaim();
    it.ring.publish();
  }
  SOCKMAN_CHECK(it.next == it.pushed && it.ring.flushed() && it.ring.hasRoom());
}

TEST(extended,
     "data grows the record before only where it follows it, and JavaScript has not seen that (N54)") {
  javascriptThread.assertHeld();
  drivingThread.assertHeld();
  Ring it;
  it.ring.push({.event = Event::data, .slot = 7, .block = 2, .offset = 100, .length = 10});
  SOCKMAN_CHECK(!it.ring.extend(8, 2, 110, 5) && !it.ring.extend(7, 3, 110, 5) &&
                !it.ring.extend(7, 2, 111, 5));
  SOCKMAN_CHECK(it.ring.extend(7, 2, 110, 5) && it.shared.records[0].length == 15);
  it.ring.publish();
  SOCKMAN_CHECK(!it.ring.extend(7, 2, 115, 5) && it.shared.records[0].length == 15);
  it.push(EventRing::kCapacity);  // the last waits for room: data behind it may not come before it
  SOCKMAN_CHECK(!it.ring.extend(7, 2, 115, 5));
}

}  // namespace
}  // namespace sockman::test
