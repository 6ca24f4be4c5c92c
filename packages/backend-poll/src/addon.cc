#include <sockman/addon.h>

#include "poll_calls.h"
#include "poll_engine.h"

SOCKMAN_ADDON(sockman::PollEngine, sockman::PollPoller, sockman::kPollCalls)
