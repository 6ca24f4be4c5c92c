#include "block_image.h"

#include <sys/mman.h>

#include "fatal.h"
#include "message.h"

namespace bench {

BlockImage::BlockImage(int pipe, uint32_t magic) : memory_(memfd_create("blocks", MFD_CLOEXEC)) {
  if (memory_.get() < 0) FatalErrno("memfd_create");
  Receive(pipe);
  Index(magic);
}

BlockImage::~BlockImage() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

void BlockImage::Receive(int pipe) {
  std::vector<uint8_t> buffer(1 << 20);
  for (;;) {
    const ssize_t got = read(pipe, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) FatalErrno("read of the blocks");
    if (got == 0) break;
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = write(memory_.get(), buffer.data() + done, got - done);
      if (put < 0) FatalErrno("write of the blocks");
      done += put;
    }
    size_ += got;
  }
  if (size_ == 0) Fatal("no blocks to serve");
  void* mapping = mmap(nullptr, size_, PROT_READ, MAP_SHARED | MAP_POPULATE, memory_.get(), 0);
  if (mapping == MAP_FAILED) FatalErrno("mmap");
  data_ = static_cast<const uint8_t*>(mapping);
}

void BlockImage::Index(uint32_t magic) {
  for (uint64_t offset = 0; offset < size_;) {
    MessageHeader header;
    if (size_ - offset < kHeaderSize + kBlockHeaderSize) Fatal("the blocks end in the middle of a message");
    header = MessageHeader::Read(data_ + offset);
    const uint64_t size = kHeaderSize + uint64_t{header.length};
    if (header.magic != magic || header.command != "block" || header.length > kMaxPayload ||
        size > size_ - offset) {
      Fatal("the blocks are not a sequence of block messages");
    }
    const uint8_t* block = data_ + offset + kHeaderSize;
    positions_.emplace(Sha256d(block, kBlockHeaderSize), blocks_.size());
    blocks_.push_back({offset, static_cast<uint32_t>(size), block});
    offset += size;
  }
}

int64_t BlockImage::Find(const uint8_t* hash) const {
  Hash key;
  std::memcpy(key.data(), hash, key.size());
  const auto found = positions_.find(key);
  return found == positions_.end() ? -1 : int64_t{found->second};
}

}  // namespace bench
