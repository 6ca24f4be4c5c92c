// SHA-256 (FIPS 180-4), one shot. The serving process hashes headers and control messages with it: a few
// hundred bytes at a time, never blocks, whose checksums arrive ready-made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bench {

using Hash = std::array<uint8_t, 32>;

/** SHA-256 of `size` bytes. */
Hash Sha256(const uint8_t* data, size_t size);

/** SHA-256 of the SHA-256, Bitcoin's hash of headers and checksums. */
inline Hash Sha256d(const uint8_t* data, size_t size) {
  const Hash once = Sha256(data, size);
  return Sha256(once.data(), once.size());
}

}  // namespace bench
