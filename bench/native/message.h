// Bitcoin P2P messages, version 1 transport: magic, command, length, checksum, payload, all little-endian
// (https://developer.bitcoin.org/reference/p2p_networking.html; CMessageHeader in Bitcoin Core's protocol.h).
// Hosts are little-endian, as everywhere Node's addons are built for.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sha256.h"

namespace bench {

static_assert(std::endian::native == std::endian::little);

using Bytes = std::vector<uint8_t>;

constexpr size_t kHeaderSize = 24;
constexpr size_t kBlockHeaderSize = 80;
constexpr uint32_t kMaxPayload = 4'000'000;  // MAX_PROTOCOL_MESSAGE_LENGTH, net.h
constexpr uint32_t kMaxInventory = 50'000;   // MAX_INV_SZ, net_processing.cpp
constexpr uint32_t kMaxLocator = 101;        // MAX_LOCATOR_SZ, net_processing.cpp
constexpr uint32_t kMaxHeaders = 2'000;      // MAX_HEADERS_RESULTS, net_processing.h

struct MessageHeader {
  uint32_t magic;
  std::string_view command;  // into the bytes it was read from
  uint32_t length;
  uint32_t checksum;

  /** From 24 bytes. */
  static MessageHeader Read(const uint8_t* at) {
    MessageHeader header;
    std::memcpy(&header.magic, at, 4);
    const char* command = reinterpret_cast<const char*>(at) + 4;
    header.command = std::string_view(command, strnlen(command, 12));
    std::memcpy(&header.length, at + 16, 4);
    std::memcpy(&header.checksum, at + 20, 4);
    return header;
  }
};

inline uint32_t Checksum(const uint8_t* payload, size_t size) {
  uint32_t checksum;
  const Hash hash = Sha256d(payload, size);
  std::memcpy(&checksum, hash.data(), sizeof checksum);
  return checksum;
}

/** Appends values of the protocol to a message. */
class Writer {
 public:
  /** Begins a message: its header is filled in by `Finish`. */
  Writer(uint32_t magic, std::string_view command) : bytes_(kHeaderSize) {
    std::memcpy(bytes_.data(), &magic, 4);
    std::memcpy(bytes_.data() + 4, command.data(), command.size());
  }
  template <typename Int>
  Writer& Number(Int value) {
    return Raw(reinterpret_cast<const uint8_t*>(&value), sizeof value);
  }
  Writer& Raw(const uint8_t* data, size_t size);
  /** CompactSize, below 65 536. */
  Writer& Count(uint16_t value) {
    return value < 0xfd ? Number(static_cast<uint8_t>(value)) : Number(uint8_t{0xfd}).Number(value);
  }
  /** The whole message; the writer is empty afterwards. */
  Bytes Finish();

 private:
  Bytes bytes_;
};

/** Reads values of the protocol from a payload; `ok()` turns false for good at the first read beyond its end.
 */
class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : at_(data), left_(size) {}
  bool ok() const { return ok_; }

  template <typename Int>
  Int Number() {
    Int value{};
    if (const uint8_t* from = Raw(sizeof value)) std::memcpy(&value, from, sizeof value);
    return value;
  }
  const uint8_t* Raw(size_t size) {
    ok_ = ok_ && size <= left_;
    if (!ok_) return nullptr;
    left_ -= size;
    return std::exchange(at_, at_ + size);
  }
  uint64_t Count() {
    const uint8_t first = Number<uint8_t>();
    if (first < 0xfd) return first;
    if (first == 0xfd) return Number<uint16_t>();
    return first == 0xfe ? Number<uint32_t>() : Number<uint64_t>();
  }

 private:
  const uint8_t* at_;
  size_t left_;
  bool ok_ = true;
};

}  // namespace bench
