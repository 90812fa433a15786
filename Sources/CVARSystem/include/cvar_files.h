#pragma once
#include <stddef.h>
#include <stdint.h>

// Flag for open() that bypasses the page cache; 0 where the system has none.
int cvar_open_direct_flag(void);

// Mapped files whose bytes can vanish: touching them then raises SIGBUS.

// Makes a mapping known to the handler, whose first byte stands at `offset` of the file. The name is copied. May be
// called from any thread. A mapping that finds no place (there are 1024) is not guarded.
void cvar_mapping_add(const void *start, size_t count, const char *name, size_t offset);
// Before it is unmapped.
void cvar_mapping_remove(const void *start);

// Installs a handler for the whole process. A SIGBUS in a known mapping then writes one line to standard error, which
// begins with `program` and names file and offset, and ends the process with `status`; any other SIGBUS goes to the
// handler that was there before.
void cvar_mapping_guard(const char *program, int status);
