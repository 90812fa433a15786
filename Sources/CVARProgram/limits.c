#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cvar_program.h"

enum { STACK_BYTES = 2 << 20 };

static int is_limited(int resource, rlim_t least) {
  struct rlimit limit;
  return getrlimit(resource, &limit) == 0 && limit.rlim_cur < least;
}

int cvar_program_has_memory_limit(void) {
  return is_limited(RLIMIT_AS, RLIM_INFINITY) || is_limited(RLIMIT_DATA, RLIM_INFINITY);
}

static const char *program_name = "";

// The language ends a program by a trap where memory is refused; the C library has said why in errno.
static void end_without_memory(int signal_number) {
  if (errno == ENOMEM) {
    static const char text[] = ": the limit on this program's memory (ulimit -v, -d) is reached; raise it\n";
    static atomic_flag is_told = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&is_told)) {
      ssize_t sent = write(STDERR_FILENO, program_name, strlen(program_name));
      sent += write(STDERR_FILENO, text, sizeof text - 1);
      (void)sent;
    }
    _exit(4);
  }
  // The instruction runs again after this and ends the program as it would have.
  signal(signal_number, SIG_DFL);
}

static void prepare_for_memory_limit(const char *program) {
  program_name = program;
  static const int numbers[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV};
  for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = end_without_memory;
    sigemptyset(&action.sa_mask);
    sigaction(numbers[index], &action, NULL);
  }
#if defined(__GLIBC__)
  // Each thread would reserve 64 MiB of address space for small blocks.
  mallopt(M_ARENA_MAX, 1);
#endif
}

static void *run(void *body) {
  (*(void (**)(void))body)();
  return NULL;
}

void cvar_program_run(const char *program, void (*body)(void)) {
  int has_memory_limit = cvar_program_has_memory_limit();
  if (has_memory_limit) prepare_for_memory_limit(program);
  pthread_attr_t attributes;
  pthread_t thread;
  // The system's stack grows as it is used, which a limit on memory may refuse in the middle of the work.
  if ((has_memory_limit || is_limited(RLIMIT_STACK, STACK_BYTES)) && pthread_attr_init(&attributes) == 0) {
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int failure = pthread_create(&thread, &attributes, run, &body);
    pthread_attr_destroy(&attributes);
    if (failure == 0) {
      // Signals reach the thread that works: it may have to give a terminal back.
      sigset_t interrupts;
      sigemptyset(&interrupts);
      sigaddset(&interrupts, SIGINT);
      sigaddset(&interrupts, SIGTERM);
      sigaddset(&interrupts, SIGHUP);
      pthread_sigmask(SIG_BLOCK, &interrupts, NULL);
      pthread_join(thread, NULL);
      return;
    }
  }
  body();
}
