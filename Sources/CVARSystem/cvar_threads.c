#define _GNU_SOURCE
#include "include/cvar_threads.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// A wake through the kernel costs some 30 us, so a thread looks for what it waits for this long before it sleeps. The
// bound keeps an oversubscribed machine usable.
enum { SPIN_NS = 20000, CACHE_LINE = 64 };

// A job may have 300 KB of locals; the C library's own choice is between 128 KiB and the shell's limit.
enum { STACK_BYTES = 1 << 20 };

struct cvar_pool {
  // The job's chunk count above 32 bits, the next chunk below: who adds 1 has that chunk if it is one, and the job
  // cannot end before the chunk does. So a worker that comes late finds nothing, or a part of the next job.
  _Alignas(CACHE_LINE) atomic_ullong ticket;
  _Alignas(CACHE_LINE) atomic_uint epoch;  // counts jobs; workers wait on it
  atomic_int sleepers;                     // workers in the kernel
  _Alignas(CACHE_LINE) atomic_int left;    // chunks not yet done; the caller waits on it
  atomic_int caller_sleeps;
  _Alignas(CACHE_LINE) atomic_int stopping;
  cvar_job job;
  void *context;
  int32_t spins;
  int32_t thread_count;
  int32_t keeps_to_fast;
  cvar_processor_set fast;
  struct worker {
    pthread_t thread;
    cvar_pool *pool;
  } workers[];
};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  // Waits some 10 ns; `yield` does nothing on most cores.
  __asm__ volatile("isb" ::: "memory");
#endif
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// How many looks fill SPIN_NS: a pause takes from 4 to 140 cycles. The least of some times is that of an undisturbed
// run.
static int32_t measure_spins(void) {
  enum { TRIES = 5, LOOKS = 100 };
  atomic_uint word = 0;
  int64_t least = INT64_MAX;
  for (int try = 0; try < TRIES; try++) {
    int64_t start = now_ns();
    for (int look = 0; look < LOOKS; look++) {
      if (atomic_load_explicit(&word, memory_order_acquire) != 0) break;
      relax();
    }
    int64_t ns = now_ns() - start;
    if (ns < least) least = ns;
  }
  return (int32_t)((int64_t)SPIN_NS * LOOKS / (least > 0 ? least : 1));
}

static void futex_wait(void *address, unsigned expected) {
  syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(void *address, int count) {
  syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static unsigned wait_for_epoch_after(cvar_pool *pool, unsigned seen) {
  for (int32_t spin = 0; spin < pool->spins; spin++) {
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

static void take_chunks(cvar_pool *pool) {
  int32_t done = 0;
  for (;;) {
    uint64_t ticket = atomic_fetch_add(&pool->ticket, 1);
    uint32_t chunk = (uint32_t)ticket;
    if (chunk >= ticket >> 32) break;
    pool->job(pool->context, (int32_t)chunk);
    done++;
  }
  if (done > 0 && atomic_fetch_sub(&pool->left, done) == done && atomic_load(&pool->caller_sleeps))
    futex_wake(&pool->left, 1);
}

static void *work(void *argument) {
  struct worker *worker = argument;
  cvar_pool *pool = worker->pool;
  if (pool->keeps_to_fast) sched_setaffinity(0, sizeof pool->fast, (const cpu_set_t *)&pool->fast);
  unsigned seen = 0;
  for (;;) {
    seen = wait_for_epoch_after(pool, seen);
    if (atomic_load(&pool->stopping)) return NULL;
    take_chunks(pool);
  }
}

static void post(cvar_pool *pool, int32_t wanted_workers) {
  atomic_fetch_add(&pool->epoch, 1);
  if (atomic_load(&pool->sleepers) > 0) futex_wake(&pool->epoch, wanted_workers);
}

cvar_pool *cvar_pool_create(int32_t thread_count) {
  if (thread_count < 1 || thread_count > 256) return NULL;
  size_t bytes = sizeof(cvar_pool) + (size_t)thread_count * sizeof(struct worker);
  bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
  cvar_pool *pool = aligned_alloc(CACHE_LINE, bytes);
  if (!pool) return NULL;
  atomic_init(&pool->ticket, 0);
  atomic_init(&pool->epoch, 0);
  atomic_init(&pool->sleepers, 0);
  atomic_init(&pool->left, 0);
  atomic_init(&pool->caller_sleeps, 0);
  atomic_init(&pool->stopping, 0);
  cvar_processors processors;
  cvar_process_processors(&processors);
  pool->fast = processors.fast;
  pool->keeps_to_fast = processors.slow_count > 0 && thread_count <= processors.fast_count;
  pool->spins = measure_spins();
  pool->thread_count = 1;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) {
    cvar_pool_destroy(pool);
    return NULL;
  }
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  int status = 0;
  for (int32_t index = 1; index < thread_count && status == 0; index++) {
    struct worker *worker = &pool->workers[index];
    worker->pool = pool;
    status = pthread_create(&worker->thread, &attributes, work, worker);
    if (status == 0) pool->thread_count = index + 1;
  }
  pthread_attr_destroy(&attributes);
  if (status == 0) return pool;
  cvar_pool_destroy(pool);
  return NULL;
}

void cvar_pool_destroy(cvar_pool *pool) {
  if (!pool) return;
  atomic_store(&pool->stopping, 1);
  post(pool, pool->thread_count);
  for (int32_t index = 1; index < pool->thread_count; index++)
    pthread_join(pool->workers[index].thread, NULL);
  free(pool);
}

int32_t cvar_pool_thread_count(const cvar_pool *pool) { return pool->thread_count; }

void cvar_pool_run(cvar_pool *pool, int32_t chunk_count, cvar_job job, void *context) {
  if (pool->thread_count == 1 || chunk_count <= 1) {
    for (int32_t chunk = 0; chunk < chunk_count; chunk++) job(context, chunk);
    return;
  }
  pool->job = job;
  pool->context = context;
  atomic_store(&pool->left, chunk_count);
  atomic_store(&pool->ticket, (uint64_t)chunk_count << 32);
  post(pool, chunk_count - 1);
  take_chunks(pool);
  for (int32_t spin = 0; spin < pool->spins; spin++) {
    if (atomic_load_explicit(&pool->left, memory_order_acquire) == 0) return;
    relax();
  }
  atomic_store(&pool->caller_sleeps, 1);
  int left;
  while ((left = atomic_load(&pool->left)) != 0) futex_wait(&pool->left, (unsigned)left);
  atomic_store(&pool->caller_sleeps, 0);
}
