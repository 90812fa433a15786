#include "probe_peak.h"

#include <string.h>

enum { LANES = 16 };

static uint64_t scalar_int8(uint64_t rounds) {
  int32_t sums[LANES] = {0};
  volatile int8_t seed = 3;
  int32_t x = seed;
  for (uint64_t round = 0; round < rounds; round++) {
    for (int lane = 0; lane < LANES; lane++) sums[lane] = (int32_t)(int8_t)sums[lane] * x + lane;
  }
  volatile int32_t sink = 0;
  for (int lane = 0; lane < LANES; lane++) sink = sink + sums[lane];
  return rounds * LANES * 2;
}

static uint64_t scalar_fp32(uint64_t rounds) {
  float sums[LANES] = {0};
  volatile float seed = 0.5f;
  float x = seed;
  for (uint64_t round = 0; round < rounds; round++) {
    for (int lane = 0; lane < LANES; lane++) sums[lane] = sums[lane] * x + 1.0f;
  }
  volatile float sink = 0;
  for (int lane = 0; lane < LANES; lane++) sink = sink + sums[lane];
  return rounds * LANES * 2;
}

static const cvar_probes *find(const char *isa) {
  for (const cvar_probes *probes = cvar_probes_wide; probes->isa; probes++) {
    if (strcmp(probes->isa, isa) == 0) return probes;
  }
  return NULL;
}

uint64_t cvar_probe_int8(const char *isa, uint64_t rounds) {
  const cvar_probes *probes = find(isa);
  return probes ? probes->int8(rounds) : scalar_int8(rounds);
}

uint64_t cvar_probe_fp32(const char *isa, uint64_t rounds) {
  const cvar_probes *probes = find(isa);
  return probes ? probes->fp32(rounds) : scalar_fp32(rounds);
}
