#pragma once
#include <stdint.h>

// Memory of the machine and of this process as far as the kernel tells without /proc. In bytes; -1 where it does not.

// Of the machine: all of it, and what nothing uses now. What caches would give back is not known here.
void cvar_machine_memory(int64_t *total, int64_t *free);

// The largest resident memory that this process had so far.
int64_t cvar_peak_memory(void);

// What the limits on this process's address space and data (ulimit -v, ulimit -d) let it still map; -1 without limits.
int64_t cvar_memory_room(void);
