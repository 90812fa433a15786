#include "check_support.h"
#include "include/cvar_checks.h"

#include "cvar_math.h"

// FNV-1a.
static uint64_t digest(uint64_t hash, const void *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
  return hash;
}

static uint64_t digest_functions(uint64_t hash, random_source *source) {
  float (*const functions[])(float) = {cvar_exp,     cvar_tanh, cvar_erf,
                                       cvar_sigmoid, cvar_sin,  cvar_cos};
  for (int i = 0; i < 2000; i++) {
    float x = random_float(source) * 90;
    for (int f = 0; f < COUNT(functions); f++) {
      float y = functions[f](x);
      hash = digest(hash, &y, sizeof y);
    }
    double base = fabsf(x) + 0x1p-20, log = cvar_log(base), power = cvar_pow(base, x);
    hash = digest(hash, &log, sizeof log);
    hash = digest(hash, &power, sizeof power);
  }
  return hash;
}

// One small transformer layer of float kernels, each fed by the one before.
static uint64_t digest_layer(uint64_t hash, int32_t type, random_source *source) {
  enum { N = 70, HEADS = 2, HEAD_DIM = 40, WIDTH = HEADS * HEAD_DIM, CAPACITY = 128 };
  static float x[N * WIDTH], y[N * WIDTH], z[N * WIDTH], gain[WIDTH];
  static uint16_t weights[WIDTH * WIDTH];
  static float keys[CAPACITY * WIDTH], values[CAPACITY * WIDTH];
  const cvar_kernels *kernels = cvar_kernels_for(CVAR_ISA_SCALAR);
  for (int i = 0; i < N * WIDTH; i++) x[i] = random_float(source) * 4;
  for (int i = 0; i < WIDTH; i++) gain[i] = random_float(source);
  for (int i = 0; i < WIDTH * WIDTH; i++) {
    float weight = random_float(source) * 0.25f;
    weights[i] = type == CVAR_F16 ? cvar_f16_from_f32(weight) : cvar_bf16_from_f32(weight);
  }
  cvar_matrix w = {.type = type, .rows = WIDTH, .cols = WIDTH, .codes = weights};
  kernels->rms_norm(x, WIDTH, N, WIDTH, gain, 1e-6f, y, WIDTH);
  kernels->matmul_float(&w, y, WIDTH, 1, 0, N, gain, z, WIDTH, 0, WIDTH / 16);
  kernels->rope_half(z, WIDTH, N, HEADS, HEAD_DIM, y, x);
  kernels->rope_interleaved(z, WIDTH, N, HEADS, HEAD_DIM, y, y);
  kernels->normalize_heads(z, WIDTH, N, HEADS, HEAD_DIM, gain);
  hash = digest(hash, z, sizeof z);
  cvar_kv kv = {.type = type == CVAR_F16 ? CVAR_F16 : CVAR_F32, .kv_heads = HEADS, .head_dim = HEAD_DIM,
                .body = {.capacity = CAPACITY, .keys = keys, .values = values}};
  kernels->kv_store(&kv, 0, N, z, WIDTH, y, WIDTH);
  kernels->attention(&kv, z, WIDTH, N, HEADS, 0, HEADS, 1, 1, 5, y, WIDTH);
  hash = digest(hash, y, sizeof y);
  kernels->layer_norm(y, WIDTH, N, WIDTH, gain, NULL, 1e-6f, z, WIDTH);
  kernels->silu_multiply(z, x, y, N * WIDTH);
  kernels->gelu_erf(y, z, N * WIDTH);
  kernels->add_scaled(x, WIDTH, z, WIDTH, N, WIDTH, gain);
  kernels->gelu_tanh(x, y, N * WIDTH);
  kernels->quick_gelu(y, z, N * WIDTH);
  kernels->add(z, x, N * WIDTH);
  kernels->channel_affine(z, N, WIDTH, gain, x, 1, z);
  double sums[2 * WIDTH] = {0};
  kernels->channel_sums(z, N, WIDTH, sums, sums + WIDTH);
  return digest(digest(hash, z, sizeof z), sums, sizeof sums);
}

// Two patches of a convolution, transform by transform.
static uint64_t digest_winograd(uint64_t hash, random_source *source) {
  enum { CHANNELS = 19, POSITIONS = CVAR_WINOGRAD_POSITIONS, PIXELS = 8 };
  static float weights[9 * CHANNELS * 16], u[POSITIONS * CHANNELS * 16];
  static float x[6 * (PIXELS + 2) * CHANNELS], v[POSITIONS * 2 * CHANNELS], m[POSITIONS * 2 * 16];
  static float y[4 * PIXELS * 16];
  const cvar_kernels *kernels = cvar_kernels_for(CVAR_ISA_SCALAR);
  for (int i = 0; i < COUNT(weights); i++) weights[i] = random_float(source);
  for (int i = 0; i < COUNT(x); i++) x[i] = random_float(source);
  cvar_matrix w = {.type = CVAR_F32, .rows = 16, .cols = 9 * CHANNELS, .codes = weights};
  kernels->winograd_weights(&w, u, 0, 1);
  kernels->winograd_input(x, (PIXELS + 2) * CHANNELS, CHANNELS, 6, PIXELS + 1, 2, v, 2 * CHANNELS);
  for (int i = 0; i < POSITIONS; i++) {
    w = (cvar_matrix){.type = CVAR_F32, .rows = 16, .cols = CHANNELS, .codes = u + i * CHANNELS * 16};
    kernels->matmul_float(&w, v + i * 2 * CHANNELS, CHANNELS, 1, 0, 2, NULL, m + i * 32, 16, 0, 1);
  }
  kernels->winograd_output(m, 32, 16, 2, x, 4, PIXELS, y, PIXELS * 16);
  return digest(digest(digest(hash, u, sizeof u), v, sizeof v), y, sizeof y);
}

cvar_report cvar_check_float_digest(void) {
  const uint64_t expected = 0x17758503490cb7b0u;
  cvar_report report = {0};
  random_source source = {7};
  uint64_t hash = digest_functions(0xcbf29ce484222325u, &source);
  hash = digest_layer(hash, CVAR_F16, &source);
  hash = digest_layer(hash, CVAR_BF16, &source);
  hash = digest_winograd(hash, &source);
  if (hash != expected) {
    REPORT(&report, "float digest: expected %#llx, found %#llx", (unsigned long long)expected,
           (unsigned long long)hash);
  }
  return report;
}
