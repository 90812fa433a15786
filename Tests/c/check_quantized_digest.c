#include "check_matrix.h"

// FNV-1a.
static uint64_t digest(uint64_t hash, const void *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
  return hash;
}

// Activations through quantize_activations into a product, so that each rounding of both counts.
static uint64_t digest_product(uint64_t hash, quantized_type type, data_pattern pattern,
                               random_source *source) {
  enum { N = 3, ROWS = 33, COLS = 640 };
  const cvar_kernels *kernels = cvar_kernels_for(CVAR_ISA_SCALAR);
  static float x[N * COLS], scales[N * COLS / 16], y[N * ROWS];
  static int8_t codes[N * COLS];
  static int32_t sums[N * COLS / 16];
  cvar_matrix w = make_quantized_matrix(type.type, ROWS, COLS, type.group_size, pattern, source);
  for (int i = 0; i < N * COLS; i++) x[i] = random_float(source) * (i % 64 < 32 ? 1 : 0x1p-90f);
  kernels->quantize_activations(x, COLS, N, COLS, type.group_size, codes, scales, sums);
  kernels->matmul_quantized(&w, codes, scales, sums, N, NULL, y, ROWS, 0, 3);
  release_matrix(&w);
  hash = digest(hash, codes, sizeof codes);
  return digest(hash, y, sizeof y);
}

cvar_report cvar_check_quantized_digest(void) {
  const uint64_t expected = 0xaeb12752f745a77du;
  cvar_report report = {0};
  random_source source = {7};
  uint64_t hash = 0xcbf29ce484222325u;
  for (int t = 0; t < COUNT(quantized_types); t++) {
    for (int pattern = 0; pattern < DATA_PATTERN_COUNT; pattern++) {
      hash = digest_product(hash, quantized_types[t], pattern, &source);
    }
  }
  if (hash != expected) {
    REPORT(&report, "quantized digest: expected %#llx, found %#llx", (unsigned long long)expected,
           (unsigned long long)hash);
  }
  return report;
}
