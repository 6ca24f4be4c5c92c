// Events on their way to JavaScript: a ring of fixed-size records that JavaScript reads in place.
//
// One producer (the driving thread), one consumer (the JavaScript thread). Happens-before:
//
//  - The producer writes a record's words before `publish` stores `tail` (release). JavaScript loads `tail` with
//    Atomics.load (sequentially consistent, so an acquire) before it reads the words.
//  - JavaScript is done with a record and with its block before it stores `head` with Atomics.store (a release).
//    The producer loads `head` (acquire) before it counts the block as free or writes another record there.
//  - `starved` and `head` form the usual pair. The producer stores starved = 1, looks at `head` again, and sleeps.
//    JavaScript stores `head`, looks at `starved`, and wakes the producer. All four are sequentially consistent,
//    so at least one of the two sees the other. Only the producer writes `starved`: a consumer that cleared the
//    word could clear the producer's next request.
//
// JavaScript's own accesses are outside of C++'s memory model, and a thread sanitizer does not see them. So native
// calls of the JavaScript thread that touch a connection or receive memory repeat the pair: `enter` acquires
// `tail`, and `leave` releases a count that `reclaim` acquires after `head`.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <new>
#include <utility>

#include "receive_pool.h"

namespace sockman {

/// Shared with TypeScript (`event-ring.ts`): keep the numbers in step.
enum class Event : int32_t {
  accepted = 1,        // slot = listener, a = descriptor, owned by the record until taken
  connected = 2,       // slot
  data = 3,            // slot, block, offset (in the region), length, a = the slot's generation
  eof = 4,             // slot
  error = 5,           // slot, a = errno, b = 1 when a send met it, length = bytes left unread in the kernel
  drained = 6,         // slot: the queue is empty
  closed = 7,          // slot, a = errno of a failed connect or 0
  listenError = 8,     // slot = listener, a = errno, or 0 and b = an accepted descriptor beyond the limit
  listenerClosed = 9,  // slot = listener
  stopped = 10,
};

struct Record {
  Event event;
  int32_t slot = 0;
  int32_t block = 0;
  int32_t offset = 0;
  int32_t length = 0;
  /// Set by JavaScript: the bytes were copied out for a paused connection, and still count against its window.
  int32_t held = 0;
  int32_t a = 0;
  int32_t b = 0;
};
static_assert(sizeof(Record) == 32);

class EventRing {
 public:
  static constexpr uint32_t kCapacity = 4096;  // records; a power of two

  /// The shared words, one cache line apart, and the records after them.
  struct Shared {
    alignas(64) std::atomic<uint32_t> head;
    alignas(64) std::atomic<uint32_t> tail;
    alignas(64) std::atomic<uint32_t> starved;
    alignas(64) Record records[kCapacity];
  };
  static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);

  /// `memory` holds at least sizeof(Shared), zeroed.
  explicit EventRing(std::shared_ptr<Region> memory)
      : memory_(std::move(memory)), shared_(*new (memory_->base()) Shared) {}

  /// Driving thread. Never refuses: control events beyond the capacity wait in a backlog, in order.
  /// JavaScript sees nothing of it before `publish`.
  void push(const Record& record) {
    if (!backlog_.empty() || tail_ - reclaimed_ == kCapacity) {
      backlog_.push_back(record);
      return;
    }
    shared_.records[tail_++ % kCapacity] = record;
  }

  /// Driving thread: makes the last record longer by data that follows it in its block, instead of pushing
  /// one more. False when it is another's, or published.
  bool extend(int32_t slot, int32_t block, int32_t offset, int32_t length) {
    if (tail_ == published_ || !backlog_.empty()) return false;
    Record& last = shared_.records[(tail_ - 1) % kCapacity];
    if (last.event != Event::data || last.slot != slot || last.block != block) return false;
    if (last.offset + last.length != offset) return false;
    last.length += length;
    return true;
  }

  /// Driving thread: what was pushed is JavaScript's from now on. Whether there was anything.
  bool publish() {
    if (published_ == tail_) return false;
    shared_.tail.store(published_ = tail_, std::memory_order_release);
    return true;
  }

  /// Driving thread: whether reaping may go on. A margin stays free, so that the backlog is the rare case.
  bool hasRoom() const { return backlog_.empty() && tail_ - reclaimed_ < kCapacity - kMargin; }

  /// Driving thread: gives each record that JavaScript consumed to `visit`, then moves the backlog in.
  /// Answers whether there were any.
  template <class Visit>
  bool reclaim(Visit&& visit) {
    const uint32_t head = shared_.head.load(std::memory_order_seq_cst);
    if (head == reclaimed_) return false;
    (void)calls_.load(std::memory_order_acquire);
    while (reclaimed_ != head) visit(shared_.records[reclaimed_++ % kCapacity]);
    while (!backlog_.empty() && tail_ - reclaimed_ < kCapacity) {
      shared_.records[tail_++ % kCapacity] = backlog_.front();
      backlog_.pop_front();
    }
    return true;
  }

  /// Driving thread, after the consumer is gone: every record nobody consumed.
  template <class Visit>
  void abandon(Visit&& visit) {
    for (uint32_t at = shared_.head.load(); at != tail_; at++) visit(shared_.records[at % kCapacity]);
    for (Record& record : backlog_) visit(record);
    backlog_.clear();
  }

  bool flushed() const { return backlog_.empty(); }
  bool consumed() const { return shared_.head.load(std::memory_order_seq_cst) != reclaimed_; }
  void setStarved(bool starved) { shared_.starved.store(starved, std::memory_order_seq_cst); }

  /// JavaScript thread, first in a native call: all that was published has happened.
  void enter() const { (void)shared_.tail.load(std::memory_order_acquire); }
  /// JavaScript thread, last in a native call that read receive memory.
  void leave() { calls_.store(calls_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  /// JavaScript thread.
  bool empty() const {
    return shared_.head.load(std::memory_order_relaxed) == shared_.tail.load(std::memory_order_acquire);
  }
  /// JavaScript thread: takes the descriptor out of the `accepted` record at `position`.
  int takeDescriptor(uint32_t position) { return std::exchange(shared_.records[position % kCapacity].a, -1); }
  const std::shared_ptr<Region>& memory() const { return memory_; }

 private:
  static constexpr uint32_t kMargin = 512;

  std::shared_ptr<Region> memory_;
  Shared& shared_;
  std::atomic<uint32_t> calls_{0};
  // The driving thread's.
  uint32_t tail_ = 0;
  uint32_t published_ = 0;
  uint32_t reclaimed_ = 0;
  std::deque<Record> backlog_;
};

}  // namespace sockman
