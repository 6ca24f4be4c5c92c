#include <sockman/binding.h>

#include "poll_engine.h"

SOCKMAN_ADDON(sockman::PollEngine)
