#include <sockman/pacer.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "../seeds.h"
#include "../test.h"

namespace sockman::test {
namespace {

struct Nobody {};
using Direction = Paced<Nobody>;

/// A time that no clock reaches: `grant` takes it from `expire`.
constexpr Time kLater = 365 * 24 * 3'600'000LL * kMillisecond;

TEST(bucket,
     "in any time no more than the rate and a burst, and nothing is lost by coming at readyAt (N74)") {
  forSeeds(300, [](uint32_t seed) {
    Dice dice(seed);
    const int64_t rate = 1 + static_cast<int64_t>(dice.roll(20)) * dice.roll(1 << 20);
    Bucket bucket;
    SOCKMAN_CHECK(!bucket.limits());
    bucket.setRate(rate, 0);
    Time time = 0, waited = 0;
    double taken = 0;
    while (time < 20'000 * kMillisecond) {
      const size_t level = bucket.level(time);
      if (level == 0) {
        const Time ready = bucket.readyAt();
        SOCKMAN_CHECK(ready > time);
        waited += ready - time;
        time = ready;
        SOCKMAN_CHECK(bucket.level(time) > 0);
        continue;
      }
      const size_t bytes = 1 + dice.roll(static_cast<uint32_t>(std::min<size_t>(level, UINT32_MAX - 1)));
      bucket.take(bytes);
      taken += static_cast<double>(bytes);
      const double seconds = static_cast<double>(time) / 1e9;
      SOCKMAN_CHECK(taken <=
                    static_cast<double>(rate) * seconds + std::max(1.0, static_cast<double>(rate) / 10) + 1);
      // What is set again keeps what was counted.
      if (dice.oneIn(8)) bucket.setRate(rate, time);
    }
    SOCKMAN_CHECK(waited > 0);
    SOCKMAN_CHECK(taken >= static_cast<double>(rate) * 19.8);
  });
}

TEST(bucketDebt,
     "what was taken beyond the level is paid first; a rate that is lowered leaves no burst of before") {
  Bucket bucket;
  bucket.setRate(1000, 0);
  SOCKMAN_CHECK(bucket.level(0) == 100);
  bucket.take(1100);
  SOCKMAN_CHECK(bucket.level(1000 * kMillisecond) == 0);
  SOCKMAN_CHECK(bucket.readyAt() > 1009 * kMillisecond && bucket.readyAt() < 1011 * kMillisecond);
  SOCKMAN_CHECK(bucket.level(1010 * kMillisecond + 1) == 10);
  SOCKMAN_CHECK(bucket.level(5000 * kMillisecond) == 100);
  bucket.setRate(10, 5000 * kMillisecond);
  SOCKMAN_CHECK(bucket.level(5000 * kMillisecond) == 1);
  // The largest rate that JavaScript can ask for.
  bucket.setRate(INT64_MAX >> 10, 5000 * kMillisecond);
  bucket.take(SIZE_MAX >> 12);
  SOCKMAN_CHECK(bucket.readyAt() > 5000 * kMillisecond && bucket.readyAt() < kNever);
}

TEST(line,
     "those that wait for the sum have their turns one after the other, and whoever leaves is missed by "
     "nobody (N74)") {
  Nobody nobody;
  constexpr size_t kCount = 40;
  Pacer<Nobody> pacer(1000, 0);
  SOCKMAN_CHECK(pacer.limitsAll() && pacer.next() == kNever);
  std::vector<std::unique_ptr<Direction>> all;
  for (size_t n = 0; n < kCount; n++) all.push_back(std::make_unique<Direction>(nobody, Flow::receive));
  const auto serve = [&](Time time) {
    std::vector<Direction*> visited;
    pacer.expire(time, [&](Direction& d) { visited.push_back(&d); });
    return visited;
  };
  SOCKMAN_CHECK(pacer.divide(kCount) && !pacer.divide(kCount));
  serve(kLater);
  // A share of the burst of 100 bytes for each, which all may use at one moment.
  size_t granted = 0;
  for (auto& d : all) granted += pacer.grant(*d);
  SOCKMAN_CHECK(granted > 0 && granted <= 100);
  for (auto& d : all) pacer.took(*d, 5);
  for (auto& d : all) SOCKMAN_CHECK(pacer.grant(*d) == 0 && d->waits());
  // Asked again, they keep their places; the debt is 100 bytes.
  SOCKMAN_CHECK(pacer.next() > kLater + 109 * kMillisecond && pacer.next() < kLater + 111 * kMillisecond);
  SOCKMAN_CHECK(serve(kLater + 50 * kMillisecond).empty());
  pacer.leave(*all[0]);
  pacer.leave(*all[3]);
  pacer.leave(*all[kCount - 1]);
  SOCKMAN_CHECK(!all[0]->waits());
  const auto first = serve(kLater + 120 * kMillisecond);
  SOCKMAN_CHECK(first.size() == 20 && first[0] == all[1].get() && first[1] == all[2].get());
  SOCKMAN_CHECK(first[2] == all[4].get());
  for (Direction* d : first) SOCKMAN_CHECK(!d->waits());
  // A newcomer stands behind those who wait, though there is something.
  SOCKMAN_CHECK(pacer.grant(*all[0]) == 0 && all[0]->waits());
  std::vector<Direction*> rest;
  for (Time time = kLater + 200 * kMillisecond; pacer.next() != kNever; time += 100 * kMillisecond)
    for (Direction* d : serve(time)) rest.push_back(d);
  SOCKMAN_CHECK(rest.size() == kCount - 3 - 20 + 1 && rest.back() == all[0].get());
}

TEST(ownRate,
     "a direction waits for its own rate, and for the sum behind it; the other direction for neither (N74)") {
  Nobody nobody;
  Pacer<Nobody> pacer(0, 1000);
  Direction receive(nobody, Flow::receive), send(nobody, Flow::send);
  pacer.expire(kLater, [](Direction&) { SOCKMAN_CHECK(false); });
  SOCKMAN_CHECK(pacer.grant(receive) == SIZE_MAX);
  send.own.setRate(100, kLater);
  SOCKMAN_CHECK(pacer.grant(send) == 6);  // a sixteenth of the burst of all
  pacer.took(send, 10);
  SOCKMAN_CHECK(pacer.grant(send) == 0 && send.deadline && !send.inLine);
  // With all others that wait, at a whole multiple of 10 ms.
  SOCKMAN_CHECK(pacer.next() == kLater + 20 * kMillisecond);
  int visits = 0;
  pacer.expire(kLater + 20 * kMillisecond, [&](Direction& d) {
    visits++;
    SOCKMAN_CHECK(pacer.grant(d) == 2);
  });
  SOCKMAN_CHECK(visits == 1 && pacer.next() == kNever);
  // One that leaves while others are visited is visited no more.
  Direction other(nobody, Flow::send);
  for (Direction* d : {&send, &other}) {
    d->own.setRate(1, kLater + 20 * kMillisecond);
    pacer.took(*d, 100);
    SOCKMAN_CHECK(pacer.grant(*d) == 0);
  }
  visits = 0;
  pacer.expire(kLater + 1'000'000 * kMillisecond, [&](Direction& d) {
    visits++;
    pacer.leave(&d == &send ? other : send);
  });
  SOCKMAN_CHECK(visits == 1 && pacer.next() == kNever);
}

}  // namespace
}  // namespace sockman::test
