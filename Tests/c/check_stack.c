#include <pthread.h>

#include "check_matrix.h"

// A thread's stack is painted before a kernel runs on it; the paint that is gone is what the call took.

enum { STACK_BYTES = 1 << 20, PAINT = 0x5a };

typedef struct call {
  const cvar_kernels *kernels;
  void (*run)(const cvar_kernels *kernels);
} call;

static void *run_call(void *context) {
  const call *c = context;
  if (c->run) c->run(c->kernels);
  return NULL;
}

// Bytes of the stack that a thread takes for the call, its own frames included.
static size_t painted_depth(call c) {
  unsigned char *stack = aligned_alloc(65536, STACK_BYTES);
  if (!stack) abort();
  memset(stack, PAINT, STACK_BYTES);
  pthread_attr_t attributes;
  pthread_t thread;
  if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstack(&attributes, stack, STACK_BYTES) != 0 ||
      pthread_create(&thread, &attributes, run_call, &c) != 0 || pthread_join(thread, NULL) != 0) {
    abort();
  }
  pthread_attr_destroy(&attributes);
  size_t untouched = 0;
  while (untouched < STACK_BYTES && stack[untouched] == PAINT) untouched++;
  free(stack);
  return STACK_BYTES - untouched;
}

// Operands that take every kernel through its largest arrays: heads as wide as they may be, runs of many queries, tiles
// that are cut, more columns than a slab. They are zeros: what a call takes does not depend on them.
enum {
  HEAD_DIM = CVAR_MAX_HEAD_DIM,
  QUERIES = 64,
  KEYS = 256,
  ROWS = 40,
  CHANNELS = 128,
  COLS = 9 * CHANNELS,
  FLOATS = 1 << 18,
};

static float *zeros, *results;

static void attend(const cvar_kernels *kernels) {
  cvar_kv_run body = {KEYS, zeros, zeros, zeros, zeros};
  cvar_kv kv = {CVAR_INT8, 1, HEAD_DIM, body, {0}, zeros, zeros, zeros};
  kernels->attention(&kv, zeros, HEAD_DIM, QUERIES, 1, 0, 1, KEYS - QUERIES, 1, 1, results, HEAD_DIM);
}

static void store_keys(const cvar_kernels *kernels) {
  cvar_kv_run body = {KEYS, results, results, results, results};
  cvar_kv kv = {CVAR_INT8, 1, HEAD_DIM, body, {0}, zeros, zeros, zeros};
  kernels->kv_store(&kv, 0, 1, zeros, HEAD_DIM, zeros, HEAD_DIM);
}

static cvar_matrix zero_matrix(int32_t type) {
  cvar_matrix w = {.type = type, .rows = ROWS, .cols = COLS, .group_size = 32, .codes = (const void *)zeros};
  w.scales = w.superscales = (const void *)zeros;
  return w;
}

static void multiply_quantized(const cvar_kernels *kernels) {
  for (int32_t type = CVAR_INT8; type <= CVAR_INT4; type++) {
    cvar_matrix w = zero_matrix(type);
    for (int32_t n = 1; n <= 37; n += 12) {
      kernels->matmul_quantized(&w, (const int8_t *)zeros, zeros, (const int32_t *)zeros, n, zeros, results, ROWS, 0,
                                (ROWS + 15) / 16);
    }
  }
}

static void convolve_quantized(const cvar_kernels *kernels) {
  cvar_matrix w = zero_matrix(CVAR_INT8);
  cvar_code_map map = {(const int8_t *)zeros, zeros, (const int32_t *)zeros, 2, 20, 22 * CHANNELS, CHANNELS,
                       22 * CHANNELS};
  kernels->convolve_quantized(&w, &map, zeros, results, 20 * ROWS, 0, (ROWS + 15) / 16);
}

static void multiply_float(const cvar_kernels *kernels) {
  for (int32_t n = 1; n <= 17; n += 8) {
    cvar_matrix w = zero_matrix(CVAR_F16);
    kernels->matmul_float(&w, zeros, COLS, 1, 0, n, zeros, results, ROWS, 0, (ROWS + 15) / 16);
  }
}

static void run_winograd(const cvar_kernels *kernels) {
  cvar_matrix w = zero_matrix(CVAR_F32);
  kernels->winograd_weights(&w, results, 0, 1);
  kernels->winograd_input(zeros, 24 * 16, 16, 6, 22, 5, results, 5 * 16);
  kernels->winograd_output(zeros, 5 * 16, 16, 5, zeros, 3, 18, results, 24 * 16);
}

static void run_rows(const cvar_kernels *kernels) {
  kernels->quantize_activations(zeros, COLS, 2, COLS, 32, (int8_t *)results, results + COLS,
                                (int32_t *)results + 2 * COLS);
  kernels->layer_norm(zeros, COLS, 2, COLS, zeros, zeros, 1e-6f, results, COLS);
  kernels->rms_norm(zeros, COLS, 2, COLS, zeros, 1e-6f, results, COLS);
  kernels->gelu_erf(zeros, results, 1000);
  kernels->silu_multiply(zeros, zeros, results, 1000);
  kernels->to_f16(zeros, 1, (uint16_t *)results, 1000);
  double sums[32] = {0};
  kernels->channel_sums(zeros, 3, 16, sums, sums + 16);
  cvar_matrix w = zero_matrix(CVAR_INT4);
  kernels->gather_row(&w, 1, results);
}

cvar_report cvar_check_stack(cvar_isa isa) {
  static const struct {
    const char *name;
    void (*run)(const cvar_kernels *kernels);
  } calls[] = {
      {"attention", attend},
      {"kv_store", store_keys},
      {"matmul_quantized", multiply_quantized},
      {"convolve_quantized", convolve_quantized},
      {"matmul_float", multiply_float},
      {"winograd", run_winograd},
      {"rows", run_rows},
  };
  cvar_report report = {0};
  const cvar_kernels *kernels = cvar_kernels_for(isa);
  zeros = allocate(FLOATS * sizeof *zeros);
  results = allocate(FLOATS * sizeof *results);
  size_t thread_bytes = painted_depth((call){kernels, NULL}), most = 0;
  for (int i = 0; i < COUNT(calls); i++) {
    calls[i].run(kernels);  // the linker looks names up at the first call, on the stack too
    size_t bytes = painted_depth((call){kernels, calls[i].run}) - thread_bytes;
    most = bytes > most ? bytes : most;
    if (bytes > kernels->stack_bytes) {
      REPORT(&report, "%s %s: takes %zu bytes of the stack, %zu are stated", cvar_isa_name(isa), calls[i].name, bytes,
             kernels->stack_bytes);
    }
  }
  if (most + 16384 < kernels->stack_bytes) {
    REPORT(&report, "%s: %zu bytes of the stack are stated, %zu are the most that is taken", cvar_isa_name(isa),
           kernels->stack_bytes, most);
  }
  free(zeros);
  free(results);
  return report;
}
