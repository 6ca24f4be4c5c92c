// The system calls of io_uring that engine and poller make, each operation of io_uring_register by itself:
// a filter can tell them apart. Without a ring nothing comes of them.
#pragma once

#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sockman/rehearsal.h>

namespace sockman {

template <unsigned operation>
void registerNothing() {
  ::syscall(__NR_io_uring_register, -1, operation, nullptr, 0);
}

template <unsigned flags>
void enterNothing() {
  ::syscall(__NR_io_uring_enter, -1, 0, 0, flags, nullptr, 0);
}

inline constexpr RehearsedCall kIoUringCalls[] = {
    {"io_uring_setup", [] { ::syscall(__NR_io_uring_setup, 0, nullptr); }},
    {"io_uring_enter", enterNothing<0>},
    {"io_uring_enter", enterNothing<IORING_ENTER_GETEVENTS>},
    {"io_uring_enter", enterNothing<IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG>},
    {"io_uring_register", registerNothing<IORING_REGISTER_EVENTFD>},
    {"io_uring_register", registerNothing<IORING_REGISTER_PROBE>},
    {"io_uring_register", registerNothing<IORING_REGISTER_ENABLE_RINGS>},
    {"io_uring_register", registerNothing<IORING_REGISTER_PBUF_RING>},
    {"io_uring_register", registerNothing<IORING_UNREGISTER_PBUF_RING>},
};

}  // namespace sockman
