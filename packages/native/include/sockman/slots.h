// The memory of connections and listeners, by slot, and when a slot may be given to another owner.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "command_count.h"
#include "name.h"

namespace sockman {

/// A table of `T`, which has a member `Name name`. The JavaScript thread allocates and frees; the driving
/// thread only turns a slot into an address, after a command that names the slot has reached it through the
/// queue.
///
/// The driving thread may let go of a connection by itself (a connect that fails), and JavaScript goes on to
/// post commands about that connection until it consumes `closed`. Were the slot given out again at once,
/// those commands would be executed on the new owner: bytes of one connection would leave on another. So a
/// freed slot is retired until every command that had been posted by then is executed. A slot that is not
/// ready yet costs a fresh slot, not a wait.
///
/// The objects live as long as the table. One that was freed is made anew only when its slot is given out
/// again, since until then the driving thread may still hold commands about it.
template <class T, int32_t kChunk, int32_t kChunks>
class Slots {
 public:
  static constexpr int32_t kSlots = kChunk * kChunks;

  explicit Slots(const CommandCount& commands) : commands_(commands) {}

  /// JavaScript thread. A new object under a name that was never used before; null when all slots are taken.
  T* allocate() {
    while (!retired_.empty() && commands_.executed(retired_.front().posted)) {
      free_.push_back(retired_.front().slot);
      retired_.pop_front();
    }
    if (free_.empty()) return next_ == kSlots ? nullptr : fresh();
    T* object = at(free_.back());
    free_.pop_back();
    const Name next{object->name.slot, object->name.generation + 1};
    std::destroy_at(object);
    std::construct_at(object);
    object->name = next;
    return object;
  }

  /// JavaScript thread, after the last record about the slot was consumed.
  void free(int32_t slot) { retired_.push_back({slot, commands_.posted()}); }

  /// Either thread.
  T* at(int32_t slot) const {
    return &chunks_[static_cast<size_t>(slot / kChunk)][static_cast<size_t>(slot % kChunk)];
  }

 private:
  struct Retired {
    int32_t slot;
    uint64_t posted;  // commands, when the slot was freed
  };

  T* fresh() {
    auto& chunk = chunks_[static_cast<size_t>(next_ / kChunk)];
    if (!chunk) chunk = std::make_unique<T[]>(kChunk);
    T* object = at(next_);
    object->name = {next_++, 1};
    return object;
  }

  const CommandCount& commands_;
  std::array<std::unique_ptr<T[]>, kChunks> chunks_;
  std::vector<int32_t> free_;    // last in, first out: the memory is still in the cache
  std::deque<Retired> retired_;  // in the order of `posted`
  int32_t next_ = 0;
};

}  // namespace sockman
