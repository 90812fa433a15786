#pragma once
#include <stdint.h>

// Which processors threads should use, from what the system says about them.

enum { CVAR_MAX_PROCESSORS = 1024 };

// One bit per processor, in the order of the system's numbers.
typedef struct cvar_processor_set {
  uint64_t words[CVAR_MAX_PROCESSORS / 64];
} cvar_processor_set;

static inline int cvar_has_processor(const cvar_processor_set *set, int32_t processor) {
  return set->words[processor / 64] >> (processor % 64) & 1;
}

static inline void cvar_add_processor(cvar_processor_set *set, int32_t processor) {
  set->words[processor / 64] |= (uint64_t)1 << (processor % 64);
}

typedef struct cvar_processors {
  int32_t thread_count;     // that work takes by default, at least 1
  int32_t fast_count;       // processors in `fast`
  int32_t slow_count;       // allowed processors that are not in `fast`
  cvar_processor_set fast;  // the allowed processors without the slow ones; never empty
} cvar_processors;

// Reads the description of the processors in `allowed` (not empty) from /sys and /proc below `root`, which is "" but
// in tests.
//
// - Slow processors are left out. The allowed ones are sorted by capacity, and where neighbours differ most, the
//   slower ones are slow if they have less than 70 % of the faster one's capacity. So of two kinds the slower is left
//   out (RK3588, where an A55 has 39 to 52 % of an A76; P and E cores), of three kinds the slowest (a phone's prime,
//   big and little cores: four cores of 75 % do more than one of 100 %), and cores that only clock differently stay
//   together. Capacity is `cpu_capacity`; else whether Intel's list of efficient cores has the processor; else the
//   highest clock; what some processor lacks is not used.
// - One thread per core: the kernels saturate a core's multipliers, so a second thread on it gains nothing.
// - A quota of processor time (cgroup v1 or v2, the least along the process's path) is rounded up: with 1.5 processors
//   two threads do the work of 1.5, and one thread that of 1.
// - What is missing or unreadable does not count.
void cvar_read_processors(const char *root, const cvar_processor_set *allowed,
                          cvar_processors *result);

// The same for this process: its processor mask, and the real system.
void cvar_process_processors(cvar_processors *result);
