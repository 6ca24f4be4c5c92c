// Events on their way to JavaScript: a ring of fixed-size records that JavaScript reads in place. A number
// such as N6 is a line of docs/native.md.
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

#include "check.h"
#include "receive_pool.h"
#include "roles.h"

namespace sockman {

/// Shared with TypeScript (`event-ring.ts`): keep the numbers in step.
enum class Event : int32_t {
  accepted = 1,        // slot = listener, a = descriptor, owned by the record until taken (N31)
  connected = 2,       // slot
  data = 3,            // slot, block, offset (in the region), length, a = the slot's generation
  eof = 4,             // slot
  error = 5,           // slot, a = errno, b = 1 when a send met it, length = bytes left unread in the kernel
  drained = 6,         // slot: the queue is empty
  closed = 7,          // slot, a = errno of a failed connect or 0
  listenError = 8,     // slot = listener, a = errno, or 0 and b = an accepted descriptor beyond the limit
  listenerClosed = 9,  // slot = listener
  stopped = 10,
  idle = 11,  // slot, a = generation
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
  static constexpr uint32_t kMostPending = kCapacity - 512;

  /// The shared words, one cache line apart, and the records after them.
  struct Shared {
    alignas(64) std::atomic<uint32_t> head;
    alignas(64) std::atomic<uint32_t> tail;
    alignas(64) std::atomic<uint32_t> starved;
    alignas(64) Record records[kCapacity];
  };
  static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);

  /// `memory` holds at least sizeof(Shared), zeroed. With `mostPending` records that JavaScript has not consumed
  /// there is no room for more accepts and receives; the places beyond are for what nobody can put off.
  explicit EventRing(std::shared_ptr<Region> memory, uint32_t mostPending = kMostPending)
      : memory_(std::move(memory)), shared_(*new (memory_->base()) Shared), mostPending_(mostPending) {}

  /// Never refuses: a record that finds no room waits in a backlog, in order (N6).
  /// JavaScript sees nothing of a record before `publish`.
  void push(const Record& record) SOCKMAN_REQUIRES(drivingThread) {
    if (!backlog_.empty() || tail_ - reclaimed_ == kCapacity) {
      backlog_.push_back(record);
    } else {
      shared_.records[tail_++ % kCapacity] = record;
    }
    if (pending() >= mostPending_) full_ = true;
  }

  /// Makes the last record longer by data that follows it in its block, instead of pushing one more (N54).
  /// False when the last record is another connection's, or published.
  bool extend(int32_t slot, int32_t block, int32_t offset, int32_t length) SOCKMAN_REQUIRES(drivingThread) {
    if (tail_ == published_ || !backlog_.empty()) return false;
    Record& last = shared_.records[(tail_ - 1) % kCapacity];
    if (last.event != Event::data || last.slot != slot || last.block != block) return false;
    if (last.offset + last.length != offset) return false;
    last.length += length;
    return true;
  }

  /// What was pushed is JavaScript's from now on. Whether there was anything.
  bool publish() SOCKMAN_REQUIRES(drivingThread) {
    if (published_ == tail_) return false;
    shared_.tail.store(published_ = tail_, std::memory_order_release);
    return true;
  }

  /// Whether accepts and receives may go on. Once the ring is full, not before half of it is consumed: else each
  /// record consumed would start every connection for one record more (N6).
  bool hasRoom() const SOCKMAN_REQUIRES(drivingThread) { return !full_; }

  /// Gives each record that JavaScript consumed to `visit`, then moves the backlog in.
  /// Answers whether there were any.
  template <class Visit>
  bool reclaim(Visit&& visit) SOCKMAN_REQUIRES(drivingThread) {
    const uint32_t head = shared_.head.load(std::memory_order_seq_cst);
    if (head == reclaimed_) return false;
    // Beyond what was published, the words are of records long gone.
    SOCKMAN_CHECK(head - reclaimed_ <= published_ - reclaimed_);
    (void)calls_.load(std::memory_order_acquire);
    while (reclaimed_ != head) visit(shared_.records[reclaimed_++ % kCapacity]);
    while (!backlog_.empty() && tail_ - reclaimed_ < kCapacity) {
      shared_.records[tail_++ % kCapacity] = backlog_.front();
      backlog_.pop_front();
    }
    if (pending() <= mostPending_ / 2) full_ = false;
    return true;
  }

  /// After the consumer is gone: every record nobody consumed.
  template <class Visit>
  void abandon(Visit&& visit) SOCKMAN_REQUIRES(drivingThread) {
    for (uint32_t at = shared_.head.load(); at != tail_; at++) visit(shared_.records[at % kCapacity]);
    for (Record& record : backlog_) visit(record);
    backlog_.clear();
  }

  bool flushed() const SOCKMAN_REQUIRES(drivingThread) { return backlog_.empty(); }
  bool consumed() const SOCKMAN_REQUIRES(drivingThread) {
    return shared_.head.load(std::memory_order_seq_cst) != reclaimed_;
  }
  void setStarved(bool starved) SOCKMAN_REQUIRES(drivingThread) {
    shared_.starved.store(starved, std::memory_order_seq_cst);
  }

  /// First in a native call: all that was published has happened.
  void enter() const SOCKMAN_REQUIRES(javascriptThread) {
    (void)shared_.tail.load(std::memory_order_acquire);
  }
  /// Last in a native call that read receive memory.
  void leave() SOCKMAN_REQUIRES(javascriptThread) {
    calls_.store(calls_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  bool empty() const SOCKMAN_REQUIRES(javascriptThread) {
    return shared_.head.load(std::memory_order_relaxed) == shared_.tail.load(std::memory_order_acquire);
  }
  /// Takes the descriptor out of the `accepted` record at `position`.
  int takeDescriptor(uint32_t position) SOCKMAN_REQUIRES(javascriptThread) {
    Record& record = shared_.records[position % kCapacity];
    // Of any other record, or taken twice, it would be another connection's descriptor, or -1.
    SOCKMAN_CHECK(record.event == Event::accepted && record.a >= 0);
    return std::exchange(record.a, -1);
  }
  const std::shared_ptr<Region>& memory() const { return memory_; }

 private:
  size_t pending() const SOCKMAN_REQUIRES(drivingThread) { return tail_ - reclaimed_ + backlog_.size(); }

  std::shared_ptr<Region> memory_;
  Shared& shared_;
  const uint32_t mostPending_;
  std::atomic<uint32_t> calls_{0};
  uint32_t tail_ SOCKMAN_GUARDED_BY(drivingThread) = 0;
  uint32_t published_ SOCKMAN_GUARDED_BY(drivingThread) = 0;
  uint32_t reclaimed_ SOCKMAN_GUARDED_BY(drivingThread) = 0;
  std::deque<Record> backlog_ SOCKMAN_GUARDED_BY(drivingThread);
  bool full_ SOCKMAN_GUARDED_BY(drivingThread) = false;
};

}  // namespace sockman
