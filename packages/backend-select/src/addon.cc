#include <sockman/addon.h>

#include "select_calls.h"
#include "select_engine.h"

SOCKMAN_ADDON(sockman::SelectEngine, sockman::SelectPoller, sockman::kSelectCalls)
