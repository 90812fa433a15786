#pragma once
#include <stdint.h>

#include "cvar_processors.h"

// A fork-join pool. The calling thread takes part; workers spin a little after each job and then sleep.

typedef struct cvar_pool cvar_pool;

// Does one chunk of a job, on any thread.
typedef void (*cvar_job)(void *context, int32_t chunk);

// NULL where memory or threads cannot be had. thread_count 1...256, the caller included.
// Where this process may also run on slow processors, and the fast ones are enough for all threads, the workers keep
// to the fast ones as a set. The caller's thread is not the pool's, and stays as it is: the system moves a busy thread
// to a fast processor by itself, and until then the workers take most of the chunks.
cvar_pool *cvar_pool_create(int32_t thread_count);
void cvar_pool_destroy(cvar_pool *pool);
int32_t cvar_pool_thread_count(const cvar_pool *pool);
// Does the chunks 0..<chunk_count, in this order as threads come free, and returns when all are done. A worker that
// comes late is not waited for. One caller at a time.
void cvar_pool_run(cvar_pool *pool, int32_t chunk_count, cvar_job job, void *context);
