#pragma once
#include <stddef.h>
#include <stdint.h>

// What a machine can do at most, and what a program takes from it: the yardsticks of `varbench`.

// Names follow `cvar_isa_name`. A name without a loop here gets the scalar one.
//
// Runs `rounds` rounds of independent multiply-adds on registers and returns the operations done; a multiplication
// and an addition count as two.
uint64_t cvar_probe_int8(const char *isa, uint64_t rounds);
uint64_t cvar_probe_fp32(const char *isa, uint64_t rounds);

// Reads every byte once, in ascending order; byte_count is a multiple of 4096. The result depends on all of them.
uint64_t cvar_probe_read(const void *bytes, size_t byte_count);

// Allocations of the whole process since its start: calls of malloc, calloc, realloc, aligned_alloc and
// posix_memalign. -1 where the C library cannot be asked.
int64_t cvar_allocation_count(void);
