#include <sockman/addon.h>

#include "iouring_calls.h"
#include "iouring_engine.h"
#include "iouring_poller.h"

SOCKMAN_ADDON(sockman::IoUringEngine, sockman::IoUringPoller, sockman::kIoUringCalls)
