#pragma once
#include "include/cvar_probes.h"

// One loop per instruction set, for the processor it was made for.
typedef uint64_t cvar_probe(uint64_t rounds);

typedef struct cvar_probes {
  const char *isa;
  cvar_probe *int8;
  cvar_probe *fp32;
} cvar_probes;

// Ends with a row whose `isa` is NULL.
extern const cvar_probes cvar_probes_wide[];

// Makes a value unknown to the compiler, so that nothing of the loop around it can be done ahead.
#define CVAR_OPAQUE_X86(value) __asm__ volatile("" : "+x"(value))
