// Small sends that JavaScript has gathered (`cork.ts`): entries, then their bytes, in memory that both sides
// see (docs/native.md, N14).
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "check.h"
#include "narrow.h"
#include "receive_pool.h"
#include "send_path.h"

namespace sockman {

template <class Loop>
class Cork {
 public:
  static constexpr uint32_t kEntries = 1024;
  struct Entry {
    int32_t slot;
    uint32_t offset;
    uint32_t length;
    uint32_t flags;
  };
  static constexpr size_t kEntriesSize = kEntries * sizeof(Entry);

  /// `memory`: the entries, and at least as many bytes as JavaScript corks.
  explicit Cork(std::shared_ptr<Region> memory) : memory_(std::move(memory)) {}

  const std::shared_ptr<Region>& memory() const { return memory_; }

  /// Sends the first entries, in one system call per connection; answers how many of those connections have
  /// something queued now.
  uint32_t flush(uint32_t count, const typename Loop::Connections& connections, SendPath<Loop>& sending)
      SOCKMAN_REQUIRES(javascriptThread) {
    const auto* entries = reinterpret_cast<const Entry*>(memory_->base());
    std::byte* bytes = memory_->base() + kEntriesSize;
    const size_t size = memory_->size() - kEntriesSize;
    SOCKMAN_CHECK(count <= kEntries);
    uint32_t behind = 0;
    done_.assign(count, false);
    for (uint32_t i = 0; i < count; i++) {
      if (done_[i]) continue;
      parts_.clear();
      size_t total = 0;
      uint32_t flags = 0;
      for (uint32_t j = i; j < count; j++) {
        if (entries[j].slot != entries[i].slot) continue;
        // What lies outside of the cork is no connection's.
        SOCKMAN_CHECK(size_t{entries[j].offset} + entries[j].length <= size);
        done_[j] = true;
        flags = entries[j].flags;
        total += entries[j].length;
        parts_.push_back({bytes + entries[j].offset, entries[j].length});
      }
      typename Loop::Connection& c = connections.get(entries[i].slot);
      sending.send(c, parts_.data(), narrow<int>(parts_.size()), total, flags & SendPath<Loop>::kMore);
      if (sending.queued(c) > 0) behind++;
    }
    return behind;
  }

 private:
  std::shared_ptr<Region> memory_;
  std::vector<iovec> parts_;
  std::vector<bool> done_;
};

}  // namespace sockman
