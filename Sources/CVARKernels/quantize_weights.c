#include <string.h>

#include "include/cvar_math.h"
#include "include/cvar_matrix.h"
#include "include/cvar_quantize.h"

#if defined(__clang__)
#pragma clang fp contract(off)
#endif

typedef float f32x16 __attribute__((vector_size(64)));
typedef float f32x16_unaligned __attribute__((vector_size(64), aligned(4), may_alias));
typedef int8_t i8x16_unaligned __attribute__((vector_size(16), aligned(1), may_alias));

#define LOAD_F32(x) (*(const f32x16_unaligned *)(x))
#define LOAD_I8(x) __builtin_convertvector(*(const i8x16_unaligned *)(x), f32x16)

enum { MAX_GROUP = 128, MAX_CODE = 127, MAX_GROUPS_PER_BLOCK = CVAR_SUPERBLOCK_COLS / 16 };

#define INLINE static inline __attribute__((always_inline))

// The searches run in AVX2 where the machine has it; without FMA, so that every build rounds alike.
#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))
static int has_avx2(void) { return __builtin_cpu_supports("avx2"); }
#endif

// Adding and subtracting 1.5 * 2^23 rounds half to even for |x| < 2^22.
static const float ROUNDER = 12582912.0f;

typedef struct codebook_steps {
  i8x16_unaligned threshold[15];  // y > threshold[j] takes an entry above j; all lanes equal
  i8x16_unaligned step[15];       // entry j+1 minus entry j, modulo 256
  int8_t entry[16];
} codebook_steps;

static void set_steps(const int8_t codebook[16], codebook_steps *steps) {
  memcpy(steps->entry, codebook, 16);
  for (int j = 0; j < 15; j++) {
    int sum = codebook[j] + codebook[j + 1];
    steps->threshold[j] = (i8x16_unaligned){0} + (int8_t)((sum - (sum & 1)) / 2);
    steps->step[j] = (i8x16_unaligned){0} + (int8_t)(codebook[j + 1] - codebook[j]);
  }
}

INLINE float sum_of(const f32x16 *lanes) {
  f32x16 partial = *lanes;
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) partial[i] += partial[i + half];
  }
  return partial[0];
}

// y[i] = x[i] / scale rounded and limited to +-127.
INLINE void round_group(const float *x, int n, float inverse, int8_t *y) {
  for (int i = 0; i < n; i++) {
    float value = x[i] * inverse;
    value = value > 127.0f ? 127.0f : value;
    value = value < -127.0f ? -127.0f : value;
    value = (value + ROUNDER) - ROUNDER;
    y[i] = (int8_t)(int32_t)value;
  }
}

// values[i] = the codebook entry nearest to y[i].
INLINE void snap_group(const int8_t *y, int n, const codebook_steps *steps, int8_t *values) {
  for (int i = 0; i < n; i += 16) {
    i8x16_unaligned lanes = *(const i8x16_unaligned *)(y + i);
    i8x16_unaligned value = (i8x16_unaligned){0} + steps->entry[0];
    for (int j = 0; j < 15; j++) value += (lanes > steps->threshold[j]) & steps->step[j];
    *(i8x16_unaligned *)(values + i) = value;
  }
}

INLINE float dot_group(const float *x, const int8_t *values, int n) {
  f32x16 sum = {0};
  for (int i = 0; i < n; i += 16) sum += LOAD_F32(x + i) * LOAD_I8(values + i);
  return sum_of(&sum);
}

INLINE int32_t squares_group(const int8_t *values, int n) {
  int32_t sum = 0;
  for (int i = 0; i < n; i++) sum += (int32_t)values[i] * values[i];
  return sum;
}

INLINE float error_group(const float *x, const int8_t *values, int n, float scale) {
  f32x16 sum = {0};
  for (int i = 0; i < n; i += 16) {
    f32x16 difference = LOAD_F32(x + i) - LOAD_I8(values + i) * scale;
    sum += difference * difference;
  }
  return sum_of(&sum);
}

INLINE float norm_group(const float *x, int n) {
  f32x16 sum = {0};
  for (int i = 0; i < n; i += 16) sum += LOAD_F32(x + i) * LOAD_F32(x + i);
  return sum_of(&sum);
}

// The value of largest magnitude, with its sign.
INLINE float extreme_of(const float *x, int n) {
  float highest = 0, lowest = 0;
  for (int i = 0; i < n; i++) {
    highest = x[i] > highest ? x[i] : highest;
    lowest = x[i] < lowest ? x[i] : lowest;
  }
  return highest >= -lowest ? highest : lowest;
}

// The real scale that fits one group best, sign included: for each guess the nearest entries are found, and the
// least-squares scale of those entries judges the guess.
INLINE float search_scale_int4(const float *x, int n, const codebook_steps *steps) {
  static const float shares[] = {0.69f, 0.76f, 0.83f, 0.9f, 0.97f, 1.04f};
  float extreme = extreme_of(x, n);
  float best_gain = 0, best_scale = 0;
  int8_t y[MAX_GROUP], values[MAX_GROUP];
  for (int end = 0; end < 2; end++) {
    float entry = end == 0 ? steps->entry[0] : steps->entry[15];
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
      float inverse = entry / (extreme * shares[i]);
      if (!(inverse - inverse == 0)) continue;  // The group is next to zero.
      round_group(x, n, inverse, y);
      snap_group(y, n, steps, values);
      int32_t squares = squares_group(values, n);
      if (squares == 0) continue;
      float dot = dot_group(x, values, n);
      float gain = dot * dot / (float)squares;
      if (gain > best_gain) {
        best_gain = gain;
        best_scale = dot / (float)squares;
      }
    }
  }
  return best_scale;
}

// The stored scale below or above the ideal one, whichever leaves the smaller error with its own nearest entries.
INLINE int8_t choose_stored_scale(const float *x, int n, float ideal, float super,
                                  const codebook_steps *steps, int8_t *values) {
  int8_t y[MAX_GROUP], trial[MAX_GROUP];
  float exact = super > 0 ? ideal / super : 0;
  float below = (exact + ROUNDER) - ROUNDER;
  below = below > exact ? below - 1 : below;
  float best_error = 0;
  int32_t best = 0;
  memset(values, 0, (size_t)n);
  for (int offset = 0; offset < 2; offset++) {
    float stored = below + (float)offset;
    if (stored < -MAX_CODE || stored > MAX_CODE || stored == 0) continue;
    float scale = stored * super;
    round_group(x, n, 1.0f / scale, y);
    snap_group(y, n, steps, trial);
    float error = error_group(x, trial, n, scale);
    if (best == 0 || error < best_error) {
      best = (int32_t)stored;
      best_error = error;
      memcpy(values, trial, (size_t)n);
    }
  }
  if (best != 0 && best_error < norm_group(x, n)) return (int8_t)best;
  memset(values, 0, (size_t)n);
  return 0;
}

INLINE void index_values(const int8_t *values, int n, const codebook_steps *steps,
                         uint8_t *indices) {
  for (int i = 0; i < n; i += 16) {
    i8x16_unaligned lanes = *(const i8x16_unaligned *)(values + i);
    i8x16_unaligned index = {0};
    for (int j = 0; j < 15; j++) index -= lanes > steps->threshold[j];
    *(i8x16_unaligned *)(indices + i) = index;
  }
}

INLINE int32_t quantize_row_int4(const float *x, int32_t k, int32_t group_size,
                                 const codebook_steps *steps, uint8_t *indices, int8_t *scales,
                                 uint16_t *superscales, cvar_weight_error *error) {
  float ideal[MAX_GROUPS_PER_BLOCK];
  int8_t values[MAX_GROUP];
  for (int32_t block = 0; block < k; block += CVAR_SUPERBLOCK_COLS) {
    int32_t end = k - block < CVAR_SUPERBLOCK_COLS ? k : block + CVAR_SUPERBLOCK_COLS;
    float largest = 0;
    for (int32_t start = block; start < end; start += group_size) {
      float scale = search_scale_int4(x + start, group_size, steps);
      float magnitude = scale < 0 ? -scale : scale;
      ideal[(start - block) / group_size] = scale;
      largest = magnitude > largest ? magnitude : largest;
    }
    uint16_t half = cvar_f16_from_f32(largest / MAX_CODE / CVAR_INT4_SCALE_UNIT);
    if ((half & 0x7fff) >= 0x7c00) return CVAR_QUANTIZE_TOO_LARGE;
    superscales[block / CVAR_SUPERBLOCK_COLS] = half;
    float super = cvar_f32_from_f16(half) * CVAR_INT4_SCALE_UNIT;
    for (int32_t start = block; start < end; start += group_size) {
      int8_t stored = choose_stored_scale(x + start, group_size,
                                          ideal[(start - block) / group_size], super, steps, values);
      scales[start / group_size] = stored;
      index_values(values, group_size, steps, indices + start);
      error->squared_error += (double)error_group(x + start, values, group_size, stored * super);
      error->squared_sum += (double)norm_group(x + start, group_size);
    }
  }
  return CVAR_QUANTIZE_OK;
}

INLINE int32_t quantize_row_int8(const float *x, int32_t k, int32_t group_size, int8_t *codes,
                                 uint16_t *scales, cvar_weight_error *error) {
  static const float shares[] = {1.0f, 0.99f, 0.98f, 0.965f, 0.95f, 0.93f};
  int8_t trial[MAX_GROUP];
  for (int32_t start = 0; start < k; start += group_size) {
    const float *group = x + start;
    float extreme = extreme_of(group, group_size);
    float magnitude = extreme < 0 ? -extreme : extreme;
    float best_error = norm_group(group, group_size);
    error->squared_sum += (double)best_error;
    scales[start / group_size] = 0;
    memset(codes + start, 0, (size_t)group_size);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
      uint16_t half = cvar_f16_from_f32(magnitude * shares[i] / MAX_CODE / CVAR_INT8_SCALE_UNIT);
      if ((half & 0x7fff) >= 0x7c00) return CVAR_QUANTIZE_TOO_LARGE;
      float scale = cvar_f32_from_f16(half) * CVAR_INT8_SCALE_UNIT;
      float inverse = 1.0f / scale;
      if (scale == 0 || !(inverse - inverse == 0)) break;
      round_group(group, group_size, inverse, trial);
      float trial_error = error_group(group, trial, group_size, scale);
      if (trial_error < best_error) {
        best_error = trial_error;
        scales[start / group_size] = half;
        memcpy(codes + start, trial, (size_t)group_size);
      }
    }
    error->squared_error += (double)best_error;
  }
  return CVAR_QUANTIZE_OK;
}

#if defined(__x86_64__)
AVX2 static int32_t quantize_row_int4_avx2(const float *x, int32_t k, int32_t group_size,
                                           const codebook_steps *steps, uint8_t *indices,
                                           int8_t *scales, uint16_t *superscales,
                                           cvar_weight_error *error) {
  return quantize_row_int4(x, k, group_size, steps, indices, scales, superscales, error);
}
AVX2 static int32_t quantize_row_int8_avx2(const float *x, int32_t k, int32_t group_size,
                                           int8_t *codes, uint16_t *scales,
                                           cvar_weight_error *error) {
  return quantize_row_int8(x, k, group_size, codes, scales, error);
}
#endif

int32_t cvar_quantize_row_int4(const float *x, int32_t k, int32_t group_size,
                               const int8_t codebook[16], uint8_t *indices, int8_t *scales,
                               uint16_t *superscales, cvar_weight_error *error) {
  codebook_steps steps;
  set_steps(codebook, &steps);
#if defined(__x86_64__)
  if (has_avx2()) {
    return quantize_row_int4_avx2(x, k, group_size, &steps, indices, scales, superscales, error);
  }
#endif
  return quantize_row_int4(x, k, group_size, &steps, indices, scales, superscales, error);
}

int32_t cvar_quantize_row_int8(const float *x, int32_t k, int32_t group_size, int8_t *codes,
                               uint16_t *scales, cvar_weight_error *error) {
#if defined(__x86_64__)
  if (has_avx2()) return quantize_row_int8_avx2(x, k, group_size, codes, scales, error);
#endif
  return quantize_row_int8(x, k, group_size, codes, scales, error);
}
