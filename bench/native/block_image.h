// The blocks to serve: complete `block` messages, back to back, in anonymous memory that sendfile(2) can
// read.
#pragma once

#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "fd.h"
#include "sha256.h"

namespace bench {

struct Block {
  uint64_t offset;        // of the message in the image
  uint32_t size;          // of the message, its 24-byte header included
  const uint8_t* header;  // the 80-byte block header, in the mapping
};

/** Immutable once received; owns memory and mapping for the life of the process. */
class BlockImage {
 public:
  /** Reads messages from `pipe` until its end; ends the process when they are malformed. */
  BlockImage(int pipe, uint32_t magic);
  BlockImage(const BlockImage&) = delete;
  ~BlockImage();

  int fd() const { return memory_.get(); }
  const uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }
  const std::vector<Block>& blocks() const { return blocks_; }

  /** The position of a block, -1 when it is unknown. */
  int64_t Find(const uint8_t* hash) const;

 private:
  struct FirstBytes {
    size_t operator()(const Hash& hash) const {
      size_t value;
      std::memcpy(&value, hash.data(), sizeof value);
      return value;
    }
  };

  void Receive(int pipe);
  void Index(uint32_t magic);

  Fd memory_;
  const uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
  std::vector<Block> blocks_;
  std::unordered_map<Hash, uint32_t, FirstBytes> positions_;
};

}  // namespace bench
