// Receive memory: one mapping that JavaScript sees as one ArrayBuffer, cut into blocks. A number such as N1
// is a line of docs/native.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "check.h"
#include "narrow.h"
#include "result.h"
#include "roles.h"
#include "sys/memory.h"

namespace sockman {

/// The mapping. Shared by the engine and by every ArrayBuffer exposed over it; unmapped when the last lets
/// go, on whichever thread that is (N1).
class Region {
 public:
  static Result<std::shared_ptr<Region>> map(size_t size) {
    int error = 0;
    void* memory = sys::map(size, error);
    if (!memory) return Failure{error, "mmap"};
    return std::shared_ptr<Region>(new Region(static_cast<std::byte*>(memory), size));
  }
  ~Region() { sys::unmap(base_, size_); }
  Region(const Region&) = delete;

  std::byte* base() const { return base_; }
  size_t size() const { return size_; }

 private:
  Region(std::byte* base, size_t size) : base_(base), size_(size) {}

  std::byte* base_;
  size_t size_;
};

/// Hands out the blocks of a region. A block is filled from its beginning on and counts its references: it is
/// free again when nobody fills it and every record that points into it was consumed (N2). Owned by the
/// driving thread.
class ReceivePool {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// `initial` and `most` in bytes.
  ReceivePool(std::shared_ptr<Region> region, size_t blockSize, size_t initial, size_t most)
      : region_(std::move(region)), blockSize_(blockSize), most_(narrow<uint32_t>(most / blockSize)) {
    blocks_.reserve(most_);
    grow(narrow<uint32_t>(initial / blockSize));
    initial_ = count();
  }

  size_t blockSize() const { return blockSize_; }
  uint32_t count() const SOCKMAN_REQUIRES(drivingThread) { return narrow<uint32_t>(blocks_.size()); }
  uint32_t most() const { return most_; }
  uint32_t initial() const { return initial_; }
  uint32_t freeCount() const SOCKMAN_REQUIRES(drivingThread) { return narrow<uint32_t>(free_.size()); }
  std::byte* at(uint32_t block) const { return region_->base() + block * blockSize_; }

  /// A free block, which the caller fills from now on; grows the pool when none is left; kNone at its limit.
  /// Last in, first out, so that a small set stays in the cache (N27).
  uint32_t claim() SOCKMAN_REQUIRES(drivingThread) {
    if (free_.empty()) grow(1);
    if (free_.empty()) return kNone;
    const uint32_t block = free_.back();
    free_.pop_back();
    blocks_[block] = {.filled = 0, .references = 0, .filling = true};
    return block;
  }

  /// Counts one more record over the next `length` bytes of a block; answers their offset in the region.
  size_t fill(uint32_t block, size_t length) SOCKMAN_REQUIRES(drivingThread) {
    SOCKMAN_CHECK(block < blocks_.size());
    Block& b = blocks_[block];
    // The rest would lie in the next block, which has another filler.
    SOCKMAN_CHECK(b.filling && length <= blockSize_ - b.filled);
    const size_t offset = block * blockSize_ + b.filled;
    b.filled += length;
    b.references++;
    return offset;
  }

  size_t filled(uint32_t block) const SOCKMAN_REQUIRES(drivingThread) { return blocks_[block].filled; }
  /// Starts a block over when all that was filled has been consumed.
  void rewind(uint32_t block) SOCKMAN_REQUIRES(drivingThread) {
    if (blocks_[block].references == 0) blocks_[block].filled = 0;
  }

  /// The filler is done with it.
  void finish(uint32_t block) SOCKMAN_REQUIRES(drivingThread) {
    SOCKMAN_CHECK(block < blocks_.size() && blocks_[block].filling);
    blocks_[block].filling = false;
    freeIfUnused(block);
  }
  /// A record into it was consumed.
  void release(uint32_t block) SOCKMAN_REQUIRES(drivingThread) {
    SOCKMAN_CHECK(block < blocks_.size() && blocks_[block].references > 0);
    blocks_[block].references--;
    freeIfUnused(block);
  }

 private:
  struct Block {
    size_t filled;
    uint32_t references;
    bool filling;
  };

  void grow(uint32_t blocks) SOCKMAN_REQUIRES(drivingThread) {
    for (; blocks > 0 && count() < most_; blocks--) {
      free_.push_back(count());
      blocks_.push_back({0, 0, false});
    }
  }
  void freeIfUnused(uint32_t block) SOCKMAN_REQUIRES(drivingThread) {
    if (!blocks_[block].filling && blocks_[block].references == 0) free_.push_back(block);
  }

  std::shared_ptr<Region> region_;
  size_t blockSize_;
  uint32_t most_;
  uint32_t initial_ = 0;
  std::vector<Block> blocks_ SOCKMAN_GUARDED_BY(drivingThread);
  std::vector<uint32_t> free_ SOCKMAN_GUARDED_BY(drivingThread);
};

/// The block that an engine fills which says itself where to read to. Owned by the driving thread.
class FillingBlock {
 public:
  explicit FillingBlock(ReceivePool& pool) : pool_(pool) {}
  ~FillingBlock() {
    if (index_ != ReceivePool::kNone) pool_.finish(index_);
  }
  FillingBlock(const FillingBlock&) = delete;

  /// Sees to a block with room worth a read, started over when all of it has been consumed, so that the block
  /// stays in the cache (N2). False when the pool is exhausted.
  bool ensure() SOCKMAN_REQUIRES(drivingThread) {
    if (index_ != ReceivePool::kNone) {
      pool_.rewind(index_);
      if (room() >= std::min(kLeastRead, pool_.blockSize())) return true;
      pool_.finish(index_);
    }
    index_ = pool_.claim();
    return index_ != ReceivePool::kNone;
  }
  uint32_t index() const SOCKMAN_REQUIRES(drivingThread) { return index_; }
  size_t room() const SOCKMAN_REQUIRES(drivingThread) { return pool_.blockSize() - pool_.filled(index_); }
  /// Where the next read goes.
  std::byte* end() const SOCKMAN_REQUIRES(drivingThread) { return pool_.at(index_) + pool_.filled(index_); }
  /// Counts a record over `length` bytes that were read there; answers their offset in the region.
  size_t fill(size_t length) SOCKMAN_REQUIRES(drivingThread) { return pool_.fill(index_, length); }

 private:
  static constexpr size_t kLeastRead = 16 * 1024;  // a shorter rest of a block is left unused

  ReceivePool& pool_;
  uint32_t index_ SOCKMAN_GUARDED_BY(drivingThread) = ReceivePool::kNone;
};

}  // namespace sockman
