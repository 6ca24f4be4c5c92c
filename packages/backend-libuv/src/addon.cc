#include <sockman/addon.h>

#include "libuv_engine.h"
#include "libuv_poller.h"

SOCKMAN_ADDON(sockman::LibuvEngine, sockman::LibuvPoller)
