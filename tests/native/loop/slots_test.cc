#include <fcntl.h>
#include <sockman/check.h>
#include <sockman/slots.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "../test.h"

namespace sockman::test {
namespace {

struct Item {
  explicit Item(Name name) : name(name) {}
  const Name name;
  int value = 0;
};

TEST(reusedAfterExecution, "a freed slot is given out again only when all commands before are executed") {
  CommandCount commands;
  Slots<Item, 4, 4> slots(commands);
  Item* first = slots.allocate();
  SOCKMAN_CHECK(first->name.slot == 0 && first->name.generation == 1);
  first->value = 7;
  commands.post();
  commands.post();
  slots.free(0);
  commands.post();  // after the slot was freed: of no account
  SOCKMAN_CHECK(slots.allocate()->name.slot == 1);
  commands.execute(1);
  SOCKMAN_CHECK(slots.allocate()->name.slot == 2);
  SOCKMAN_CHECK(first->value == 7);  // still as it was: a command may yet look at it
  commands.execute(1);
  Item* again = slots.allocate();
  SOCKMAN_CHECK(again == first && again->name.slot == 0 && again->name.generation == 2 && again->value == 0);
}

TEST(nothingPosted, "without a command under way a slot is given out again at once") {
  CommandCount commands;
  Slots<Item, 4, 4> slots(commands);
  for (uint32_t round = 1; round <= 100; round++) {
    Item* item = slots.allocate();
    SOCKMAN_CHECK(item->name.slot == 0 && item->name.generation == round);
    commands.post();
    commands.execute(1);
    slots.free(0);
  }
}

TEST(allTaken, "all slots taken: none, until the driving thread has come far enough") {
  CommandCount commands;
  Slots<Item, 4, 4> slots(commands);
  for (int n = 0; n < 16; n++) SOCKMAN_CHECK(slots.allocate()->name.slot == n);
  SOCKMAN_CHECK(!slots.allocate());
  commands.post();
  slots.free(11);
  SOCKMAN_CHECK(!slots.allocate());
  commands.execute(1);
  SOCKMAN_CHECK(slots.allocate()->name.slot == 11);
}

TEST(generationWraps, "the generation wraps around, and each owner is a new object") {
  CommandCount commands;
  Slots<Item, 4, 4> slots(commands);
  Item* item = slots.allocate();
  std::construct_at(item, Name{0, UINT32_MAX})->value = 1;
  slots.free(0);
  SOCKMAN_CHECK(slots.allocate() == item && item->name.generation == 0 && item->value == 0);
  item->value = 2;
  slots.free(0);
  SOCKMAN_CHECK(slots.allocate() == item && item->name.generation == 1 && item->value == 0);
}

/// Whether `run` ends the process that runs it as a failed SOCKMAN_CHECK does.
template <class Run>
bool aborts(Run&& run) SOCKMAN_REQUIRES(javascriptThread) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int silent = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(silent, STDERR_FILENO);
    run();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

TEST(staleSlots, "a slot that has no owner is neither freed nor looked up") {
  CommandCount commands;
  Slots<Item, 4, 4> slots(commands);
  SOCKMAN_CHECK(&slots.get(slots.allocate()->name.slot) == slots.at(0));
  slots.free(0);
  const auto freeAgain = [&]() SOCKMAN_REQUIRES(javascriptThread) { slots.free(0); };
  const auto lookUp = [&]() SOCKMAN_REQUIRES(javascriptThread) { slots.get(0); };
  const auto lookBeyond = [&]() SOCKMAN_REQUIRES(javascriptThread) { slots.get(1); };
  SOCKMAN_CHECK(aborts(freeAgain) && aborts(lookUp) && aborts(lookBeyond));
}

}  // namespace
}  // namespace sockman::test
