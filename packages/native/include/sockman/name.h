// What a command to the driving thread names a connection or listener by.
#pragma once

#include <cstdint>

namespace sockman {

/// A slot and which of its successive owners is meant. Two threads that agree on a name need not share a
/// pointer: the thread that looks the name up finds its owner or nobody (docs/native.md, N30).
struct Name {
  int32_t slot = 0;
  /// 1 for the slot's first owner. The JavaScript thread counts; the driving thread learns the number from
  /// the command that introduces the owner, and compares with its own copy only.
  uint32_t generation = 0;
};

}  // namespace sockman
