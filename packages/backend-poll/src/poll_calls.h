// The system call that poll(2) comes to, which Node itself does without.
#pragma once

#include <poll.h>

#include <sockman/rehearsal.h>

namespace sockman {

inline constexpr RehearsedCall kPollCalls[] = {{"poll", [] { ::poll(nullptr, 0, 0); }}};

}  // namespace sockman
