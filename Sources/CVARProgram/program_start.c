#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cvar_program.h"

static const char *const *arguments;

// A file that is opened later would get the number of a closed descriptor, and progress lines would go into it.
static void occupy_standard_descriptors(void) {
  for (int number = 0; number <= 2; number++) {
    if (fcntl(number, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is taken: this one.
    if (open("/dev/null", O_RDWR) >= 0) continue;
    // Without devices a folder does: it can be neither read nor written.
    if (open("/", O_RDONLY | O_DIRECTORY) < 0) _exit(4);
  }
}

#if defined(__GLIBC__)
// glibc hands the arguments of `main` to constructors, too.
__attribute__((constructor(101))) static void start(int count, char **values, char **environment) {
  (void)count;
  (void)environment;
  occupy_standard_descriptors();
  arguments = (const char *const *)values;
}
#else
__attribute__((constructor(101))) static void start(void) { occupy_standard_descriptors(); }
#endif

const char *const *cvar_program_arguments(void) { return arguments; }

const char *cvar_program_file(void) { return (const char *)getauxval(AT_EXECFN); }
