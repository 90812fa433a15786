#pragma once
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/cvar_checks.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

// Counter-based numbers (splitmix64).
typedef struct random_source {
  uint64_t state;
} random_source;

static inline uint64_t random_u64(random_source *source) {
  uint64_t z = (source->state += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// From `low` to `high`, both included.
static inline int32_t random_int(random_source *source, int32_t low, int32_t high) {
  return low + (int32_t)(random_u64(source) % (uint64_t)(high - low + 1));
}

// In [-1, 1).
static inline float random_float(random_source *source) {
  return (float)(int32_t)(random_u64(source) >> 40) * 0x1p-23f - 1.0f;
}

#define REPORT(report, ...)                                                       \
  do {                                                                            \
    if ((report)->count++ == 0) {                                                 \
      snprintf((report)->first, sizeof (report)->first, __VA_ARGS__);             \
    }                                                                             \
  } while (0)

enum { CANARY_BYTES = 256, CANARY = 0xa5 };

// A zeroed 64-byte aligned block.
static inline void *allocate(size_t bytes) {
  void *block = aligned_alloc(64, (bytes + 64) / 64 * 64);
  if (!block) abort();
  return memset(block, 0, (bytes + 64) / 64 * 64);
}

// A block full of canaries, CANARY_BYTES longer on both sides; free it with release_guarded.
static inline void *allocate_guarded(size_t bytes) {
  size_t whole = (bytes + 2 * CANARY_BYTES + 63) / 64 * 64;
  char *block = aligned_alloc(64, whole);
  if (!block) abort();
  memset(block, CANARY, whole);
  return block + CANARY_BYTES;
}

static inline void release_guarded(void *block) { free((char *)block - CANARY_BYTES); }

// The first differing byte of two guarded blocks relative to their start, or PTRDIFF_MIN where
// they are equal.
static inline ptrdiff_t first_difference(const void *a, const void *b, size_t bytes) {
  const char *x = (const char *)a - CANARY_BYTES, *y = (const char *)b - CANARY_BYTES;
  if (memcmp(x, y, bytes + 2 * CANARY_BYTES) == 0) return PTRDIFF_MIN;
  size_t i = 0;
  while (x[i] == y[i]) i++;
  return (ptrdiff_t)i - CANARY_BYTES;
}
