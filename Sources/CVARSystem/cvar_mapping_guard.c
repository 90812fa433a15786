#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/cvar_files.h"

enum { SLOT_COUNT = 1024, LINE_BYTES = 4608 };

// A slot is free while `start` is 0. The others are written before it and read after it.
static struct slot {
  _Atomic uintptr_t start;
  _Atomic(size_t) count;
  _Atomic(size_t) offset;
  _Atomic(char *) name;
} slots[SLOT_COUNT];

// Marks a slot that is being filled; no mapping begins there.
static const uintptr_t taken = 1;

static const char *program_name = "";
static int exit_status = 3;
static struct sigaction earlier_action;

void cvar_mapping_add(const void *start, size_t count, const char *name, size_t offset) {
  char *copy = strdup(name);
  if (!copy) return;
  for (int i = 0; i < SLOT_COUNT; i++) {
    uintptr_t expected = 0;
    if (!atomic_compare_exchange_strong(&slots[i].start, &expected, taken)) continue;
    atomic_store(&slots[i].count, count);
    atomic_store(&slots[i].offset, offset);
    atomic_store(&slots[i].name, copy);
    atomic_store(&slots[i].start, (uintptr_t)start);
    return;
  }
  free(copy);
}

void cvar_mapping_remove(const void *start) {
  for (int i = 0; i < SLOT_COUNT; i++) {
    if (atomic_load(&slots[i].start) != (uintptr_t)start) continue;
    char *name = atomic_exchange(&slots[i].name, NULL);
    atomic_store(&slots[i].start, 0);
    free(name);
    return;
  }
}

// Only what may be called in a signal handler: no snprintf.
typedef struct line {
  char text[LINE_BYTES];
  size_t count;
} line;

static void append(line *out, const char *text) {
  while (*text && out->count < LINE_BYTES) out->text[out->count++] = *text++;
}

static void append_number(line *out, size_t value) {
  char digits[32];
  size_t position = sizeof digits;
  digits[--position] = 0;
  int written = 0;
  do {
    if (written > 0 && written % 3 == 0) digits[--position] = ',';
    digits[--position] = (char)('0' + value % 10);
    value /= 10;
    written++;
  } while (value > 0);
  append(out, digits + position);
}

static void handle(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (int i = 0; i < SLOT_COUNT; i++) {
    uintptr_t start = atomic_load(&slots[i].start);
    const char *name = atomic_load(&slots[i].name);
    if (start <= taken || !name || address < start) continue;
    if (address - start >= atomic_load(&slots[i].count)) continue;
    line out;
    out.count = 0;
    append(&out, program_name);
    append(&out, ": ");
    append(&out, name);
    append(&out, ": cannot be read at offset ");
    append_number(&out, atomic_load(&slots[i].offset) + (address - start));
    append(&out, " any more; it was cut short while it was in use, or the disk failed: copy it again\n");
    ssize_t sent = write(STDERR_FILENO, out.text, out.count);
    (void)sent;
    _exit(exit_status);
  }
  // The instruction runs again after this and meets the earlier action.
  sigaction(signal_number, &earlier_action, NULL);
}

void cvar_mapping_guard(const char *program, int status) {
  char *name = strdup(program);
  if (name) program_name = name;
  exit_status = status;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &earlier_action);
}
