#pragma once
#include <stdint.h>

// A fork-join pool. The calling thread takes part; workers spin a little after each job and then sleep.

typedef struct cvar_pool cvar_pool;

// Runs on every thread: thread 0 is the caller.
typedef void (*cvar_job)(void *context, int32_t thread, int32_t thread_count);

// Processors this process may run on, at least 1.
int32_t cvar_available_processors(void);
// NULL where memory or threads cannot be had. thread_count 1...256.
cvar_pool *cvar_pool_create(int32_t thread_count);
void cvar_pool_destroy(cvar_pool *pool);
int32_t cvar_pool_thread_count(const cvar_pool *pool);
// Returns when every thread has finished the job. One caller at a time.
void cvar_pool_run(cvar_pool *pool, cvar_job job, void *context);
