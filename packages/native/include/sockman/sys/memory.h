// The room of memory: what is large, or as large as somebody outside wants. A small `new` that fails ends the process, as
// it does everywhere in Node.
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "call.h"

namespace sockman::sys {

/// Zeroed pages, taken when they are first touched; null and errno in `error` when refused.
[[nodiscard]] inline void* map(size_t size, int& error) {
  error = faultAt(Point::mmap);
  if (error) return nullptr;
  void* memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory != MAP_FAILED) {
    hold(1);
    return memory;
  }
  error = errno;
  return nullptr;
}
/// Of what `map` gave: it has no other error.
inline void unmap(void* memory, size_t size) {
  ::munmap(memory, size);
  hold(-1);
}

/// Null when there is no memory.
[[nodiscard]] inline void* allocate(size_t size) {
  void* memory = faultAt(Point::malloc) ? nullptr : std::malloc(size);
  hold(memory ? 1 : 0);
  return memory;
}
inline void release(void* memory) {
  hold(memory ? -1 : 0);
  std::free(memory);
}
/// A `T` that is not initialized; null when there is no memory.
template <class T>
[[nodiscard]] T* make(Point point) {
  return faultAt(point) ? nullptr : new (std::nothrow) T;
}

/// A member of what no scope frees, but a callback of the runtime's or of libuv's: a test counts it until then.
struct Counted {
  Counted() { hold(1); }
  ~Counted() { hold(-1); }
  Counted(const Counted&) = delete;
};

}  // namespace sockman::sys
