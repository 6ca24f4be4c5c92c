#include <sockman/addon.h>

#include "epoll_engine.h"

SOCKMAN_ADDON(sockman::EpollEngine, sockman::EpollPoller)
