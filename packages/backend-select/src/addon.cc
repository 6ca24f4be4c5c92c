#include <sockman/binding.h>

#include "select_engine.h"

SOCKMAN_ADDON(sockman::SelectEngine)
