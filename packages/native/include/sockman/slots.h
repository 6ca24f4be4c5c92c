// The memory of connections and listeners, by slot, and when a slot may be given to another owner.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "check.h"
#include "command_count.h"
#include "name.h"
#include "roles.h"
#include "sys/memory.h"

namespace sockman {

/// A table of `T`, which is made with a Name and has a member `const Name name`. The JavaScript thread
/// allocates and frees; the driving thread only turns a slot into an address, after a command that names the
/// slot has reached it through the queue.
///
/// A freed slot is retired until every command that had been posted by then is executed: else a late command
/// would be executed on the slot's next owner, and bytes of one connection would leave on another. Until the
/// slot is given out again, the former owner's object stays as it is (docs/native.md, N32).
template <class T, int32_t kChunk, int32_t kChunks>
class Slots {
 public:
  static constexpr int32_t kSlots = kChunk * kChunks;

  explicit Slots(const CommandCount& commands) : commands_(commands) {}
  /// Nobody drives any more.
  ~Slots() {
    for (int32_t slot = 0; slot < next_; slot++) std::destroy_at(at(slot));
  }
  Slots(const Slots&) = delete;

  /// A new object under a name that was never used before, made with `more` after the name; null when there is
  /// none, for the reason that `why` gives.
  template <class... More>
  T* allocate(const More&... more) SOCKMAN_REQUIRES(javascriptThread) {
    while (!retired_.empty() && commands_.executed(retired_.front().posted)) {
      free_.push_back(retired_.front());
      retired_.pop_front();
    }
    if (free_.empty()) return next_ == kSlots ? nullptr : fresh(more...);
    const Retired last = free_.back();
    free_.pop_back();
    taken_[static_cast<size_t>(last.slot)] = true;
    commands_.assertExecuted(last.posted);
    return renew(at(last.slot), more...);
  }

  /// The errno of an `allocate` that gave nothing.
  int why() const SOCKMAN_REQUIRES(javascriptThread) { return next_ == kSlots ? EMFILE : ENOMEM; }

  /// After the last record about the slot was consumed.
  void free(int32_t slot) SOCKMAN_REQUIRES(javascriptThread) {
    // A slot that is freed twice would be given to two owners at once.
    SOCKMAN_CHECK(taken(slot));
    taken_[static_cast<size_t>(slot)] = false;
    retired_.push_back({slot, commands_.posted()});
  }

  /// The slot's owner. A slot that JavaScript has freed, or never had, would be somebody else's.
  T& get(int32_t slot) const SOCKMAN_REQUIRES(javascriptThread) {
    SOCKMAN_CHECK(taken(slot));
    return *at(slot);
  }

  /// Either thread: where the slot's objects are.
  T* at(int32_t slot) const {
    std::byte* memory = chunks_[static_cast<size_t>(slot / kChunk)]->objects[slot % kChunk];
    return std::launder(reinterpret_cast<T*>(memory));
  }

 private:
  struct Chunk {
    alignas(T) std::byte objects[static_cast<size_t>(kChunk)][sizeof(T)];
  };
  struct Retired {
    int32_t slot;
    uint64_t posted;  // commands, when the slot was freed
  };

  bool taken(int32_t slot) const SOCKMAN_REQUIRES(javascriptThread) {
    return slot >= 0 && slot < next_ && taken_[static_cast<size_t>(slot)];
  }
  template <class... More>
  T* fresh(const More&... more) SOCKMAN_REQUIRES(javascriptThread) {
    auto& chunk = chunks_[static_cast<size_t>(next_ / kChunk)];
    if (!chunk) chunk.reset(sys::make<Chunk>(sys::Point::slots));
    if (!chunk) return nullptr;
    taken_.push_back(true);
    const int32_t slot = next_++;
    return std::construct_at(reinterpret_cast<T*>(chunk->objects[slot % kChunk]), Name{slot, 1}, more...);
  }
  /// Ends the former owner's object, the driving thread's part of which goes too, and makes the next owner's
  /// in its place.
  template <class... More>
  static T* renew(T* object, const More&... more) SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    const Name next{object->name.slot, object->name.generation + 1};
    std::destroy_at(object);
    return std::construct_at(object, next, more...);
  }

  const CommandCount& commands_;
  std::array<std::unique_ptr<Chunk>, kChunks> chunks_;  // filled before a command can name a slot in one
  std::vector<bool> taken_ SOCKMAN_GUARDED_BY(javascriptThread);    // by slot: it has an owner
  std::vector<Retired> free_ SOCKMAN_GUARDED_BY(javascriptThread);  // last in, first out: still in the cache
  std::deque<Retired> retired_ SOCKMAN_GUARDED_BY(javascriptThread);  // in the order of `posted`
  int32_t next_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
};

}  // namespace sockman
