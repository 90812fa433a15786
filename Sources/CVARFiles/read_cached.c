#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/uio.h>

#include "cvar_files.h"

int cvar_read_cached(int descriptor, void *output, size_t count, int64_t offset) {
#ifdef RWF_NOWAIT
  struct iovec part = {output, count};
  return preadv2(descriptor, &part, 1, (off_t)offset, RWF_NOWAIT) == (ssize_t)count;
#else
  (void)descriptor, (void)output, (void)count, (void)offset;
  return 0;
#endif
}

int cvar_open_direct_flag(void) {
#ifdef O_DIRECT
  return O_DIRECT;
#else
  return 0;
#endif
}
