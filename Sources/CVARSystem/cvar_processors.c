#define _GNU_SOURCE
#include "include/cvar_processors.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 8192, PATH_BYTES = 4096 };

// The beginning of a small file as a string; 0 where it cannot be read.
__attribute__((format(printf, 2, 3))) static int read_text(char text[TEXT_BYTES], const char *format,
                                                           ...) {
  char path[PATH_BYTES];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(path, sizeof path, format, arguments);
  va_end(arguments);
  if (length < 0 || length >= PATH_BYTES) return 0;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  size_t count = 0;
  ssize_t got;
  while ((got = read(file, text + count, TEXT_BYTES - 1 - count)) > 0) count += (size_t)got;
  close(file);
  text[count] = 0;
  return count > 0;
}

// A positive number at the start of a text, else 0.
static int64_t positive(const char *text) {
  char *end;
  long long value = strtoll(text, &end, 10);
  return end != text && value > 0 ? value : 0;
}

// Adds the processors of a list such as "0-3,8".
static void add_list(cvar_processor_set *set, const char *text) {
  for (;;) {
    char *end;
    long first = strtol(text, &end, 10), last = first;
    if (end == text) return;
    if (*end == '-') last = strtol(end + 1, &end, 10);
    for (long i = first < 0 ? 0 : first; i <= last && i < CVAR_MAX_PROCESSORS; i++) {
      cvar_add_processor(set, (int32_t)i);
    }
    if (*end != ',') return;
    text = end + 1;
  }
}

// Capacities from one file per processor; 0 where one of them lacks it.
static int read_capacities(const char *root, const char *name, const cvar_processor_set *allowed,
                           int64_t *capacities) {
  char text[TEXT_BYTES];
  for (int32_t i = 0; i < CVAR_MAX_PROCESSORS; i++) {
    if (!cvar_has_processor(allowed, i)) continue;
    if (!read_text(text, "%s/sys/devices/system/cpu/cpu%d/%s", root, i, name)) return 0;
    capacities[i] = positive(text);
    if (capacities[i] == 0 || capacities[i] > INT32_MAX) return 0;
  }
  return 1;
}

// Capacities from Intel's list of efficient cores.
static int read_hybrid(const char *root, int64_t *capacities) {
  char text[TEXT_BYTES];
  if (!read_text(text, "%s/sys/devices/cpu_atom/cpus", root)) return 0;
  cvar_processor_set efficient = {{0}};
  add_list(&efficient, text);
  for (int32_t i = 0; i < CVAR_MAX_PROCESSORS; i++) {
    capacities[i] = cvar_has_processor(&efficient, i) ? 1 : 2;
  }
  return 1;
}

static int descending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x < y) - (x > y);
}

// The least capacity of a processor that is not slow.
static int64_t least_fast_capacity(const cvar_processor_set *allowed, const int64_t *capacities) {
  int64_t sorted[CVAR_MAX_PROCESSORS];
  size_t count = 0;
  for (int32_t i = 0; i < CVAR_MAX_PROCESSORS; i++) {
    if (cvar_has_processor(allowed, i)) sorted[count++] = capacities[i];
  }
  qsort(sorted, count, sizeof sorted[0], descending);
  // The largest step so far, as a fraction; a step must at least be one to 70 %.
  int64_t low = 7, high = 10, least = 0;
  for (size_t i = 1; i < count; i++) {
    if (sorted[i] * high < low * sorted[i - 1]) {
      low = sorted[i];
      high = least = sorted[i - 1];
    }
  }
  return least;
}

static void find_fast(const char *root, const cvar_processor_set *allowed,
                      cvar_processors *result) {
  int64_t capacities[CVAR_MAX_PROCESSORS] = {0};
  int64_t least = 0;
  if (read_capacities(root, "cpu_capacity", allowed, capacities) ||
      read_hybrid(root, capacities) ||
      read_capacities(root, "cpufreq/cpuinfo_max_freq", allowed, capacities)) {
    least = least_fast_capacity(allowed, capacities);
  }
  for (int32_t i = 0; i < CVAR_MAX_PROCESSORS; i++) {
    if (!cvar_has_processor(allowed, i)) continue;
    if (capacities[i] < least) {
      result->slow_count++;
    } else {
      cvar_add_processor(&result->fast, i);
      result->fast_count++;
    }
  }
}

// A core is known by its first processor, which need not be allowed.
static int32_t count_cores(const char *root, const cvar_processor_set *processors) {
  char text[TEXT_BYTES];
  cvar_processor_set seen = {{0}};
  int32_t count = 0;
  for (int32_t i = 0; i < CVAR_MAX_PROCESSORS; i++) {
    if (!cvar_has_processor(processors, i)) continue;
    long core = i;
    if (read_text(text, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root, i)) {
      char *end;
      long first = strtol(text, &end, 10);
      if (end != text && first >= 0 && first < CVAR_MAX_PROCESSORS) core = first;
    }
    if (cvar_has_processor(&seen, (int32_t)core)) continue;
    cvar_add_processor(&seen, (int32_t)core);
    count++;
  }
  return count;
}

// Processors that one cgroup's quota allows, rounded up; INT32_MAX without a quota.
static int32_t quota_of(const char *folder, int is_v2) {
  char text[TEXT_BYTES];
  int64_t quota = 0, period = 0;
  if (is_v2) {
    if (!read_text(text, "%s/cpu.max", folder)) return INT32_MAX;
    quota = positive(text);
    const char *blank = strchr(text, ' ');
    period = blank ? positive(blank + 1) : 0;
  } else {
    if (read_text(text, "%s/cpu.cfs_quota_us", folder)) quota = positive(text);
    if (read_text(text, "%s/cpu.cfs_period_us", folder)) period = positive(text);
  }
  if (quota == 0 || period == 0) return INT32_MAX;
  int64_t processors = quota / period + (quota % period != 0);
  return processors < INT32_MAX ? (int32_t)processors : INT32_MAX;
}

// The process's cgroup in one hierarchy, from the lines "number:controllers:path" of /proc/self/cgroup.
static void find_cgroup(const char *lines, int is_v2, char path[PATH_BYTES]) {
  path[0] = 0;
  for (const char *line = lines; line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    const char *controllers = strchr(line, ':');
    const char *name = controllers ? strchr(controllers + 1, ':') : NULL;
    const char *end = strchr(line, '\n');
    if (!name || (end && name > end)) continue;
    char list[256];
    int length = snprintf(list, sizeof list, ",%.*s,", (int)(name - controllers - 1), controllers + 1);
    if (length < 0 || length >= (int)sizeof list) continue;
    if (is_v2 ? strcmp(list, ",,") != 0 : !strstr(list, ",cpu,")) continue;
    size_t bytes = end ? (size_t)(end - name - 1) : strlen(name + 1);
    if (bytes >= PATH_BYTES) return;
    memcpy(path, name + 1, bytes);
    path[bytes] = 0;
    return;
  }
}

// The least quota along the process's path. A container may see its own folder as the hierarchy's root, under which
// its path does not exist.
static int32_t read_quota(const char *root) {
  static const struct {
    const char *folder;
    int is_v2;
  } hierarchies[] = {
      {"/sys/fs/cgroup", 1},     {"/sys/fs/cgroup/unified", 1},     {"/sys/fs/cgroup/cpu", 0},
      {"/sys/fs/cgroup/cpu,cpuacct", 0}, {"/sys/fs/cgroup/cpuacct,cpu", 0},
  };
  char lines[TEXT_BYTES];
  if (!read_text(lines, "%s/proc/self/cgroup", root)) lines[0] = 0;
  int32_t least = INT32_MAX;
  for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0]; i++) {
    char path[PATH_BYTES], folder[PATH_BYTES];
    find_cgroup(lines, hierarchies[i].is_v2, path);
    for (;;) {
      int length = snprintf(folder, sizeof folder, "%s%s%s", root, hierarchies[i].folder, path);
      if (length > 0 && length < PATH_BYTES) {
        int32_t quota = quota_of(folder, hierarchies[i].is_v2);
        if (quota < least) least = quota;
      }
      char *parent = strrchr(path, '/');
      if (!parent) break;
      *parent = 0;
    }
  }
  return least;
}

void cvar_read_processors(const char *root, const cvar_processor_set *allowed,
                          cvar_processors *result) {
  *result = (cvar_processors){0};
  find_fast(root, allowed, result);
  int32_t cores = count_cores(root, &result->fast), quota = read_quota(root);
  result->thread_count = cores < quota ? cores : quota;
}

void cvar_process_processors(cvar_processors *result) {
  cvar_processor_set allowed = {{0}};
  if (sched_getaffinity(0, sizeof allowed, (cpu_set_t *)&allowed) != 0) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    for (int32_t i = 0; i < online && i < CVAR_MAX_PROCESSORS; i++) cvar_add_processor(&allowed, i);
    if (online < 1) cvar_add_processor(&allowed, 0);
  }
  cvar_read_processors("", &allowed, result);
}
