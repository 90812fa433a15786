// Calls of the C library that fail, or do less than they were asked for. Loaded before the C library (LD_PRELOAD), this
// stands in the calls' place. The environment says what fails:
//
//   FAULT_fsync=5       every fsync fails with this errno; so FAULT_fdatasync, FAULT_flock, FAULT_sysinfo,
//                       FAULT_fsyncFolder for folders, FAULT_mmapShared and FAULT_mmapFile for mappings of files
//   FAULT_CALL=read     with FAULT_AT=7 and FAULT_ERRNO=5: the seventh read fails with this errno; 0: it does half of
//                       its work
//   FAULT_PAUSE=1000    every write takes so many microseconds more
//   FAULT_COUNTS=path   at its end the process writes there how often each call was made
//
// The n-th call is one of: open read write fsync rename mmap memory thread. "memory" is memory that is asked for by the
// program or by a library for it. The language ends the process where it gets none: calls of its runtime, and the small
// ones that it compiles into the program itself, are let through and not counted.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/types.h>
#include <unistd.h>

enum call { OPEN, READ, WRITE, FSYNC, RENAME, MMAP, MEMORY, THREAD, CALL_COUNT };

static const char *const names[CALL_COUNT] = {
    "open", "read", "write", "fsync", "rename", "mmap", "memory", "thread",
};
static atomic_long counts[CALL_COUNT];
static long fault_at;
static int fault_call = -1, fault_errno, pause_microseconds;
// Only the process that was started, not those that it starts, and only once its own code runs.
static atomic_int is_ready;

static void *real_call(const char *name, void *_Atomic *place) {
  void *call = atomic_load(place);
  if (!call) atomic_store(place, call = dlsym(RTLD_NEXT, name));
  return call;
}

// The call of the C library, looked up once.
#define REAL(name)                          \
  ({                                        \
    static void *_Atomic place;             \
    (__typeof__(&name))real_call(#name, &place); \
  })

static int add_runtime(struct dl_phdr_info *info, size_t size, void *context);

__attribute__((constructor)) static void begin(void) {
  const char *call = getenv("FAULT_CALL"), *at = getenv("FAULT_AT"), *code = getenv("FAULT_ERRNO");
  for (int i = 0; call && i < CALL_COUNT; i++) {
    if (strcmp(call, names[i]) == 0) fault_call = i;
  }
  fault_at = at ? atol(at) : 0;
  fault_errno = code ? atoi(code) : EIO;
  const char *microseconds = getenv("FAULT_PAUSE");
  pause_microseconds = microseconds ? atoi(microseconds) : 0;
  dl_iterate_phdr(add_runtime, NULL);
  atomic_store(&is_ready, 1);
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("FAULT_COUNTS");
  if (!path) return;
  atomic_store(&is_ready, 0);
  FILE *file = fopen(path, "w");
  if (!file) return;
  for (int i = 0; i < CALL_COUNT; i++) fprintf(file, "%s %ld\n", names[i], atomic_load(&counts[i]));
  fclose(file);
}

// Counts a call; 1 where it is the one that fails, with errno set, 2 where it is to do half of its work.
static int is_fault(enum call call) {
  if (!atomic_load(&is_ready)) return 0;
  if (call == WRITE && pause_microseconds > 0) usleep((useconds_t)pause_microseconds);
  long number = atomic_fetch_add(&counts[call], 1) + 1;
  if ((int)call != fault_call || number != fault_at) return 0;
  if (fault_errno == 0) return 2;
  errno = fault_errno;
  return 1;
}

static int fails(const char *name) {
  const char *value = getenv(name);
  if (value) errno = atoi(value);
  return value != NULL;
}

static size_t half(size_t count) { return count > 1 ? count / 2 : count; }

// Files.

static int take_mode(int flags, va_list list) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;
}

#define OPEN_BODY(real)                       \
  va_list list;                               \
  va_start(list, flags);                      \
  int mode = take_mode(flags, list);          \
  va_end(list);                               \
  if (is_fault(OPEN)) return -1;              \
  return real(path, flags, mode)

int open(const char *path, int flags, ...) { OPEN_BODY(REAL(open)); }
int open64(const char *path, int flags, ...) { OPEN_BODY(REAL(open64)); }

#define TRANSFER(call, count)  \
  int fault = is_fault(call);                \
  if (fault == 1) return -1;                 \
  if (fault == 2) count = half(count)

ssize_t read(int file, void *to, size_t count) {
  TRANSFER(READ, count);
  return REAL(read)(file, to, count);
}
ssize_t pread(int file, void *to, size_t count, off_t at) {
  TRANSFER(READ, count);
  return REAL(pread)(file, to, count, at);
}
ssize_t pread64(int file, void *to, size_t count, off64_t at) {
  TRANSFER(READ, count);
  return REAL(pread64)(file, to, count, at);
}
ssize_t write(int file, const void *from, size_t count) {
  // What the program says of a fault is to be read.
  if (file == STDERR_FILENO) return REAL(write)(file, from, count);
  TRANSFER(WRITE, count);
  return REAL(write)(file, from, count);
}
ssize_t pwrite(int file, const void *from, size_t count, off_t at) {
  TRANSFER(WRITE, count);
  return REAL(pwrite)(file, from, count, at);
}
ssize_t pwrite64(int file, const void *from, size_t count, off64_t at) {
  TRANSFER(WRITE, count);
  return REAL(pwrite64)(file, from, count, at);
}

static int is_folder(int file) {
  struct stat status;
  return fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
}

int fsync(int file) {
  if (is_folder(file) && fails("FAULT_fsyncFolder")) return -1;
  return fails("FAULT_fsync") || is_fault(FSYNC) == 1 ? -1 : REAL(fsync)(file);
}
int fdatasync(int file) {
  return fails("FAULT_fdatasync") || is_fault(FSYNC) == 1 ? -1 : REAL(fdatasync)(file);
}
int flock(int file, int how) {
  return fails("FAULT_flock") ? -1 : ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, how);
}
int sysinfo(struct sysinfo *info) { return fails("FAULT_sysinfo") ? -1 : REAL(sysinfo)(info); }
int rename(const char *from, const char *to) { return is_fault(RENAME) == 1 ? -1 : REAL(rename)(from, to); }

// Memory.

static int cannot_map(int protection, int flags, int file) {
  if (file >= 0 && protection == PROT_READ) {
    if ((flags & MAP_TYPE) == MAP_SHARED && fails("FAULT_mmapShared")) return 1;
    if (fails("FAULT_mmapFile")) return 1;
  }
  return is_fault(MMAP) == 1;
}

void *mmap(void *at, size_t count, int protection, int flags, int file, off_t offset) {
  if (cannot_map(protection, flags, file)) return MAP_FAILED;
  return REAL(mmap)(at, count, protection, flags, file, offset);
}
void *mmap64(void *at, size_t count, int protection, int flags, int file, off64_t offset) {
  if (cannot_map(protection, flags, file)) return MAP_FAILED;
  return REAL(mmap64)(at, count, protection, flags, file, offset);
}

// Code of the language's runtime, the C library and the loader.
static struct {
  uintptr_t start, end;
} runtimes[64];
static int runtime_count;

// The program itself, where the compiler lays frames of coroutines on the heap.
static uintptr_t program_start, program_end;
enum { FRAME_BYTES = 4096 };

static void add_program(const struct dl_phdr_info *info) {
  program_start = UINTPTR_MAX;
  for (int part = 0; part < info->dlpi_phnum; part++) {
    if (info->dlpi_phdr[part].p_type != PT_LOAD) continue;
    uintptr_t start = info->dlpi_addr + info->dlpi_phdr[part].p_vaddr;
    if (start < program_start) program_start = start;
    if (start + info->dlpi_phdr[part].p_memsz > program_end) program_end = start + info->dlpi_phdr[part].p_memsz;
  }
}

static int add_runtime(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  (void)context;
  // The first has no name: it is the program.
  if (!info->dlpi_name[0] && program_end == 0) add_program(info);
  static const char *const libraries[] = {
      "/libswift", "/libdispatch", "/libBlocks", "/libFoundation", "/libc.so", "/ld-", "/libstdc++", "/libpthread",
  };
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    if (!strstr(info->dlpi_name, libraries[i])) continue;
    for (int part = 0; part < info->dlpi_phnum && runtime_count < 64; part++) {
      if (info->dlpi_phdr[part].p_type != PT_LOAD) continue;
      runtimes[runtime_count].start = info->dlpi_addr + info->dlpi_phdr[part].p_vaddr;
      runtimes[runtime_count].end = runtimes[runtime_count].start + info->dlpi_phdr[part].p_memsz;
      runtime_count++;
    }
    return 0;
  }
  return 0;
}

static int is_of_runtime(void *caller) {
  uintptr_t place = (uintptr_t)caller;
  for (int i = 0; i < runtime_count; i++) {
    if (place >= runtimes[i].start && place < runtimes[i].end) return 1;
  }
  return 0;
}

extern void *__libc_malloc(size_t count);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t count);

#define IS_REFUSED \
  (atomic_load(&is_ready) && !is_of_runtime(__builtin_return_address(0)) && is_fault(MEMORY) == 1)

// dlsym itself asks for memory: these go on without it.
void *malloc(size_t count) {
  uintptr_t caller = (uintptr_t)__builtin_return_address(0);
  int may_be_frame = count < FRAME_BYTES && caller >= program_start && caller < program_end;
  if (!may_be_frame && IS_REFUSED) return NULL;
  return __libc_malloc(count);
}
void *calloc(size_t count, size_t size) {
  if (IS_REFUSED) return NULL;
  return __libc_calloc(count, size);
}
void *realloc(void *old, size_t count) {
  if (IS_REFUSED) return NULL;
  return __libc_realloc(old, count);
}
int posix_memalign(void **to, size_t alignment, size_t count) {
  // The language asks by this name, too.
  if (IS_REFUSED) return ENOMEM;
  return REAL(posix_memalign)(to, alignment, count);
}

// Threads.

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context) {
  if (is_fault(THREAD) == 1) return EAGAIN;
  return REAL(pthread_create)(thread, attributes, run, context);
}
