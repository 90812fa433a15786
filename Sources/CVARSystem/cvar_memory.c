#define _GNU_SOURCE
#include "include/cvar_memory.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

void cvar_machine_memory(int64_t *total, int64_t *free) {
  struct sysinfo info;
  *total = *free = -1;
  if (sysinfo(&info) != 0) return;
  int64_t unit = info.mem_unit > 0 ? info.mem_unit : 1;
  *total = (int64_t)info.totalram * unit;
  *free = (int64_t)(info.freeram + info.bufferram) * unit;
}

int64_t cvar_peak_memory(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : -1;
}

// Tries how much can be mapped, to a megabyte.
static int64_t probe_room(int64_t limit) {
  int64_t least = 0, most = limit;
  while (most - least > 1 << 20) {
    int64_t middle = least + (most - least) / 2;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *start = mmap(NULL, (size_t)middle, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (start == MAP_FAILED) {
      most = middle;
    } else {
      munmap(start, (size_t)middle);
      least = middle;
    }
  }
  return least;
}

int64_t cvar_memory_room(void) {
  struct rlimit space, data;
  if (getrlimit(RLIMIT_AS, &space) != 0) space.rlim_cur = RLIM_INFINITY;
  if (getrlimit(RLIMIT_DATA, &data) != 0) data.rlim_cur = RLIM_INFINITY;
  if (space.rlim_cur == RLIM_INFINITY && data.rlim_cur == RLIM_INFINITY) return -1;
  int64_t room = INT64_MAX;
  if (space.rlim_cur < (rlim_t)room) room = (int64_t)space.rlim_cur;
  if (data.rlim_cur < (rlim_t)room) room = (int64_t)data.rlim_cur;
  // In pages: everything, and, as the sixth number, what the limit on data counts.
  long long mapped, writable;
  FILE *file = fopen("/proc/self/statm", "re");
  int found = file ? fscanf(file, "%lld %*s %*s %*s %*s %lld", &mapped, &writable) : 0;
  if (file) fclose(file);
  if (found != 2) return probe_room(room);
  int64_t page = sysconf(_SC_PAGESIZE);
  int64_t free_space = space.rlim_cur == RLIM_INFINITY ? INT64_MAX : (int64_t)space.rlim_cur - mapped * page;
  int64_t free_data = data.rlim_cur == RLIM_INFINITY ? INT64_MAX : (int64_t)data.rlim_cur - writable * page;
  room = free_space < free_data ? free_space : free_data;
  return room > 0 ? room : 0;
}
