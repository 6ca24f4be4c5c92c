#include "message.h"

namespace bench {

Writer& Writer::Raw(const uint8_t* data, size_t size) {
  bytes_.insert(bytes_.end(), data, data + size);
  return *this;
}

Bytes Writer::Finish() {
  const uint32_t length = static_cast<uint32_t>(bytes_.size() - kHeaderSize);
  const uint32_t checksum = Checksum(bytes_.data() + kHeaderSize, length);
  std::memcpy(bytes_.data() + 16, &length, 4);
  std::memcpy(bytes_.data() + 20, &checksum, 4);
  return std::move(bytes_);
}

}  // namespace bench
