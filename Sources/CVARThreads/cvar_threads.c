#define _GNU_SOURCE
#include "include/cvar_threads.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// A wake through the kernel costs some 30 us, so a worker looks for the next job for about 10 us before it sleeps.
// The bound keeps an oversubscribed machine usable.
enum { SPIN_LIMIT = 2000, CACHE_LINE = 64 };

struct cvar_pool {
  _Alignas(CACHE_LINE) atomic_uint epoch;  // counts jobs; workers wait on it
  _Alignas(CACHE_LINE) atomic_int left;    // workers still busy; the caller waits on it
  atomic_int sleepers;                     // workers in the kernel
  atomic_int caller_sleeps;
  atomic_int stopping;
  cvar_job job;
  void *context;
  int32_t thread_count;
  struct worker {
    pthread_t thread;
    cvar_pool *pool;
    int32_t index;
  } workers[];
};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void futex_wait(void *address, unsigned expected) {
  syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(void *address, int count) {
  syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static unsigned wait_for_epoch_after(cvar_pool *pool, unsigned seen) {
  for (int spin = 0; spin < SPIN_LIMIT; spin++) {
    unsigned epoch = atomic_load_explicit(&pool->epoch, memory_order_acquire);
    if (epoch != seen) return epoch;
    relax();
  }
  atomic_fetch_add(&pool->sleepers, 1);
  unsigned epoch;
  while ((epoch = atomic_load(&pool->epoch)) == seen) futex_wait(&pool->epoch, seen);
  atomic_fetch_sub(&pool->sleepers, 1);
  return epoch;
}

static void *work(void *argument) {
  struct worker *worker = argument;
  cvar_pool *pool = worker->pool;
  unsigned seen = 0;
  for (;;) {
    seen = wait_for_epoch_after(pool, seen);
    if (atomic_load(&pool->stopping)) return NULL;
    pool->job(pool->context, worker->index, pool->thread_count);
    if (atomic_fetch_sub(&pool->left, 1) == 1 && atomic_load(&pool->caller_sleeps))
      futex_wake(&pool->left, 1);
  }
}

static void post(cvar_pool *pool) {
  atomic_fetch_add(&pool->epoch, 1);
  if (atomic_load(&pool->sleepers) > 0) futex_wake(&pool->epoch, pool->thread_count);
}

int32_t cvar_available_processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    int count = CPU_COUNT(&set);
    if (count > 0) return count;
  }
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (int32_t)count : 1;
}

cvar_pool *cvar_pool_create(int32_t thread_count) {
  if (thread_count < 1 || thread_count > 256) return NULL;
  size_t bytes = sizeof(cvar_pool) + (size_t)thread_count * sizeof(struct worker);
  bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
  cvar_pool *pool = aligned_alloc(CACHE_LINE, bytes);
  if (!pool) return NULL;
  atomic_init(&pool->epoch, 0);
  atomic_init(&pool->left, 0);
  atomic_init(&pool->sleepers, 0);
  atomic_init(&pool->caller_sleeps, 0);
  atomic_init(&pool->stopping, 0);
  pool->thread_count = 1;
  for (int32_t index = 1; index < thread_count; index++) {
    struct worker *worker = &pool->workers[index];
    worker->pool = pool;
    worker->index = index;
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
      cvar_pool_destroy(pool);
      return NULL;
    }
    pool->thread_count = index + 1;
  }
  return pool;
}

void cvar_pool_destroy(cvar_pool *pool) {
  if (!pool) return;
  atomic_store(&pool->stopping, 1);
  post(pool);
  for (int32_t index = 1; index < pool->thread_count; index++)
    pthread_join(pool->workers[index].thread, NULL);
  free(pool);
}

int32_t cvar_pool_thread_count(const cvar_pool *pool) { return pool->thread_count; }

void cvar_pool_run(cvar_pool *pool, cvar_job job, void *context) {
  if (pool->thread_count == 1) {
    job(context, 0, 1);
    return;
  }
  pool->job = job;
  pool->context = context;
  atomic_store(&pool->left, pool->thread_count - 1);
  post(pool);
  job(context, 0, pool->thread_count);
  for (int spin = 0; spin < SPIN_LIMIT; spin++) {
    if (atomic_load_explicit(&pool->left, memory_order_acquire) == 0) return;
    relax();
  }
  atomic_store(&pool->caller_sleeps, 1);
  int left;
  while ((left = atomic_load(&pool->left)) != 0) futex_wait(&pool->left, (unsigned)left);
  atomic_store(&pool->caller_sleeps, 0);
}
