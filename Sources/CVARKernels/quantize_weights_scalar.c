#include <string.h>

#include "include/cvar_math.h"
#include "quantize_weights.h"

// The sum of 16 strided partials: element i goes to partial i % 16, then pairwise halves are added.
static float sum_of(float partial[16]) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) partial[i] += partial[i + half];
  }
  return partial[0];
}

static float dot_group(const float *x, const int8_t *values, int n) {
  float partial[16] = {0};
  for (int i = 0; i < n; i += 16) {
    for (int j = 0; j < 16; j++) partial[j] += x[i + j] * (float)values[i + j];
  }
  return sum_of(partial);
}

static float error_group(const float *x, const int8_t *values, int n, float scale) {
  float partial[16] = {0};
  for (int i = 0; i < n; i += 16) {
    for (int j = 0; j < 16; j++) {
      float difference = x[i + j] - (float)values[i + j] * scale;
      partial[j] += difference * difference;
    }
  }
  return sum_of(partial);
}

static float norm_group(const float *x, int n) {
  float partial[16] = {0};
  for (int i = 0; i < n; i += 16) {
    for (int j = 0; j < 16; j++) partial[j] += x[i + j] * x[i + j];
  }
  return sum_of(partial);
}

static int32_t squares_group(const int8_t *values, int n) {
  int32_t sum = 0;
  for (int i = 0; i < n; i++) sum += (int32_t)values[i] * values[i];
  return sum;
}

// The value of largest magnitude, with its sign.
static float extreme_of(const float *x, int n) {
  float highest = 0, lowest = 0;
  for (int i = 0; i < n; i++) {
    highest = x[i] > highest ? x[i] : highest;
    lowest = x[i] < lowest ? x[i] : lowest;
  }
  return highest >= -lowest ? highest : lowest;
}

// y[i] = x[i] * inverse rounded and limited to +-127; 0 where that is no number, as 0 times infinity is.
static void round_group(const float *x, int n, float inverse, int8_t *y) {
  for (int i = 0; i < n; i++) {
    float value = x[i] * inverse;
    value = value > 127.0f ? 127.0f : value;
    value = value < -127.0f ? -127.0f : value;
    value = (value + CVAR_ROUNDER) - CVAR_ROUNDER;
    // C leaves open what integer such a value becomes.
    y[i] = value == value ? (int8_t)(int32_t)value : 0;
  }
}

// indices[i], values[i]: the codebook entry nearest to y[i].
static void snap_group(const int8_t *y, int n, const int8_t codebook[16], uint8_t *indices,
                       int8_t *values) {
  for (int i = 0; i < n; i++) {
    int32_t index = 0;
    for (int j = 0; j < 15; j++) index += y[i] > cvar_code_threshold(codebook, j);
    indices[i] = (uint8_t)index;
    values[i] = codebook[index];
  }
}

// The real scale that fits one group best, sign included: for each guess the nearest entries are found, and the
// least-squares scale of those entries judges the guess.
static float search_scale_int4(const float *x, int n, const int8_t codebook[16]) {
  static const float shares[] = CVAR_INT4_SHARES;
  float extreme = extreme_of(x, n);
  float best_gain = 0, best_scale = 0;
  int8_t y[CVAR_MAX_GROUP], values[CVAR_MAX_GROUP];
  uint8_t indices[CVAR_MAX_GROUP];
  for (int end = 0; end < 2; end++) {
    float entry = end == 0 ? codebook[0] : codebook[15];
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
      float inverse = entry / (extreme * shares[i]);
      if (!(inverse - inverse == 0)) continue;  // The group is next to zero.
      round_group(x, n, inverse, y);
      snap_group(y, n, codebook, indices, values);
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
static int8_t choose_stored_scale(const float *x, int n, float ideal, float super,
                                  const int8_t codebook[16], uint8_t *indices,
                                  cvar_weight_error *error) {
  int8_t y[CVAR_MAX_GROUP], values[CVAR_MAX_GROUP];
  uint8_t trial[CVAR_MAX_GROUP];
  float exact = super > 0 ? ideal / super : 0;
  float below = (exact + CVAR_ROUNDER) - CVAR_ROUNDER;
  below = below > exact ? below - 1 : below;
  float best_error = 0, norm = norm_group(x, n);
  int32_t best = 0;
  for (int offset = 0; offset < 2; offset++) {
    float stored = below + (float)offset;
    if (stored < -CVAR_MAX_CODE || stored > CVAR_MAX_CODE || stored == 0) continue;
    float scale = stored * super;
    round_group(x, n, 1.0f / scale, y);
    snap_group(y, n, codebook, trial, values);
    float trial_error = error_group(x, values, n, scale);
    if (best == 0 || trial_error < best_error) {
      best = (int32_t)stored;
      best_error = trial_error;
      memcpy(indices, trial, (size_t)n);
    }
  }
  if (best == 0 || !(best_error < norm)) {
    best = 0;
    best_error = norm;
    memset(y, 0, (size_t)n);
    snap_group(y, n, codebook, indices, values);
  }
  error->squared_error += (double)best_error;
  error->squared_sum += (double)norm;
  return (int8_t)best;
}

// Index `i` of a row into its nibble; the tile begins zeroed.
static void place_int4(uint8_t index, int32_t i, int32_t row, uint8_t *tile) {
  tile[i / 8 * 64 + row * 4 + i % 4] |= (uint8_t)(i % 8 < 4 ? index : index << 4);
}

// Whether all values of the row are within range.
static int quantize_row_int4(const float *x, int32_t k, int32_t group_size,
                             const int8_t codebook[16], int32_t row, uint8_t *tile, int8_t *scales,
                             uint16_t *superscales, cvar_weight_error *error) {
  float ideal[CVAR_SUPERBLOCK_COLS / CVAR_MIN_GROUP];
  uint8_t indices[CVAR_MAX_GROUP];
  for (int32_t block = 0; block < k; block += CVAR_SUPERBLOCK_COLS) {
    int32_t end = k - block < CVAR_SUPERBLOCK_COLS ? k : block + CVAR_SUPERBLOCK_COLS;
    float largest = 0;
    for (int32_t start = block; start < end; start += group_size) {
      float scale = search_scale_int4(x + start, group_size, codebook);
      float magnitude = scale < 0 ? -scale : scale;
      ideal[(start - block) / group_size] = scale;
      largest = magnitude > largest ? magnitude : largest;
    }
    uint16_t half = cvar_f16_from_f32(largest / CVAR_MAX_CODE / CVAR_INT4_SCALE_UNIT);
    if ((half & 0x7fff) >= 0x7c00) return 0;
    superscales[block / CVAR_SUPERBLOCK_COLS * CVAR_TILE_ROWS + row] = half;
    float super = cvar_f32_from_f16(half) * CVAR_INT4_SCALE_UNIT;
    for (int32_t start = block; start < end; start += group_size) {
      scales[start / group_size * CVAR_TILE_ROWS + row] =
          choose_stored_scale(x + start, group_size, ideal[(start - block) / group_size], super,
                              codebook, indices, error);
      for (int32_t i = 0; i < group_size; i++) place_int4(indices[i], start + i, row, tile);
    }
  }
  return 1;
}

static int32_t quantize_int4(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                             int32_t group_size, const int8_t codebook[16], uint8_t *tile,
                             int8_t *scales, uint16_t *superscales, cvar_weight_error *errors) {
  size_t blocks = ((size_t)k + CVAR_SUPERBLOCK_COLS - 1) / CVAR_SUPERBLOCK_COLS;
  memset(tile, 0, (size_t)k / 2 * CVAR_TILE_ROWS);
  memset(scales, 0, (size_t)(k / group_size) * CVAR_TILE_ROWS);
  memset(superscales, 0, blocks * CVAR_TILE_ROWS * sizeof *superscales);
  for (int32_t row = 0; row < rows; row++) {
    errors[row] = (cvar_weight_error){0, 0};
    if (!quantize_row_int4(x + row * x_stride, k, group_size, codebook, row, tile, scales,
                           superscales, &errors[row])) {
      return row;
    }
  }
  return rows;
}

// Whether all values of the row are within range.
static int quantize_row_int8(const float *x, int32_t k, int32_t group_size, int32_t row,
                             int8_t *codes, uint16_t *scales, cvar_weight_error *error) {
  static const float shares[] = CVAR_INT8_SHARES;
  int8_t trial[CVAR_MAX_GROUP], best[CVAR_MAX_GROUP];
  for (int32_t start = 0; start < k; start += group_size) {
    const float *group = x + start;
    float extreme = extreme_of(group, group_size);
    float magnitude = extreme < 0 ? -extreme : extreme;
    float best_error = norm_group(group, group_size);
    uint16_t best_half = 0;
    error->squared_sum += (double)best_error;
    memset(best, 0, sizeof best);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
      uint16_t half =
          cvar_f16_from_f32(magnitude * shares[i] / CVAR_MAX_CODE / CVAR_INT8_SCALE_UNIT);
      if ((half & 0x7fff) >= 0x7c00) return 0;
      float scale = cvar_f32_from_f16(half) * CVAR_INT8_SCALE_UNIT;
      float inverse = 1.0f / scale;
      if (scale == 0 || !(inverse - inverse == 0)) break;
      round_group(group, group_size, inverse, trial);
      float trial_error = error_group(group, trial, group_size, scale);
      if (trial_error < best_error) {
        best_error = trial_error;
        best_half = half;
        memcpy(best, trial, (size_t)group_size);
      }
    }
    scales[start / group_size * CVAR_TILE_ROWS + row] = best_half;
    for (int32_t i = 0; i < group_size; i++) {
      codes[(start + i) / 4 * 64 + row * 4 + i % 4] = best[i];
    }
    error->squared_error += (double)best_error;
  }
  return 1;
}

static int32_t quantize_int8(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                             int32_t group_size, int8_t *codes, uint16_t *scales,
                             cvar_weight_error *errors) {
  memset(codes, 0, (size_t)k * CVAR_TILE_ROWS);
  memset(scales, 0, (size_t)(k / group_size) * CVAR_TILE_ROWS * sizeof *scales);
  for (int32_t row = 0; row < rows; row++) {
    errors[row] = (cvar_weight_error){0, 0};
    if (!quantize_row_int8(x + row * x_stride, k, group_size, row, codes, scales, &errors[row])) {
      return row;
    }
  }
  return rows;
}

static void add_error(float exact, float stored, cvar_weight_error *error) {
  double difference = (double)exact - (double)stored;
  error->squared_error += difference * difference;
  error->squared_sum += (double)exact * (double)exact;
}

static int32_t round_f16(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                         uint16_t *tile, cvar_weight_error *errors) {
  memset(tile, 0, (size_t)k * CVAR_TILE_ROWS * sizeof *tile);
  for (int32_t row = 0; row < rows; row++) {
    errors[row] = (cvar_weight_error){0, 0};
    for (int32_t i = 0; i < k; i++) {
      float exact = x[row * x_stride + i];
      uint16_t half = cvar_f16_from_f32(exact);
      if ((half & 0x7fff) >= 0x7c00) return row;
      tile[i * CVAR_TILE_ROWS + row] = half;
      add_error(exact, cvar_f32_from_f16(half), &errors[row]);
    }
  }
  return rows;
}

static int32_t round_bf16(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                          uint16_t *tile, cvar_weight_error *errors) {
  memset(tile, 0, (size_t)k * CVAR_TILE_ROWS * sizeof *tile);
  for (int32_t row = 0; row < rows; row++) {
    errors[row] = (cvar_weight_error){0, 0};
    for (int32_t i = 0; i < k; i++) {
      float exact = x[row * x_stride + i];
      uint16_t half = cvar_bf16_from_f32(exact);
      if ((half & 0x7fff) >= 0x7f80) return row;
      tile[i * CVAR_TILE_ROWS + row] = half;
      add_error(exact, cvar_f32_from_bf16(half), &errors[row]);
    }
  }
  return rows;
}

const cvar_weight_quantizers cvar_weight_quantizers_scalar = {quantize_int8, quantize_int4,
                                                              round_f16, round_bf16};
