#include "check_matrix.h"

static int32_t ceil_divide(int32_t a, int32_t b) { return (a + b - 1) / b; }

static int32_t padded_rows(int32_t rows) { return ceil_divide(rows, 16) * 16; }

// A stream's size without the rest of its last cache line.
static void *allocate_exactly(size_t bytes) {
  void *block = NULL;
  if (posix_memalign(&block, 64, bytes ? bytes : 1) != 0) abort();
  return memset(block, 0, bytes);
}

double half_value(uint16_t half) {
  int exponent = half >> 10 & 31;
  double fraction = half & 1023;
  double magnitude =
      exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

static uint16_t random_half(data_pattern pattern, random_source *source) {
  if (pattern == DATA_TINY_SCALES) return (uint16_t)random_int(source, 0, 40);  // subnormal
  if (pattern == DATA_EXTREME_CODES) return (uint16_t)random_int(source, 0x7bf0, 0x7bff);
  return (uint16_t)random_int(source, 0x1000, 0x4fff);
}

static uint8_t random_int8_code(data_pattern pattern, random_source *source) {
  int32_t code = random_int(source, -127, 127);
  if (pattern == DATA_EXTREME_CODES) code = code < 0 ? -127 : 127;
  return (uint8_t)(int8_t)code;
}

static void fill_codebook(int8_t *codebook, data_pattern pattern, random_source *source) {
  for (int i = 0; i < 16; i++) {
    codebook[i] = (int8_t)random_int(source, -127, 127);
    if (pattern == DATA_EXTREME_CODES) codebook[i] = i % 3 == 0 ? -127 : 127;
  }
  codebook[0] = -127;
  codebook[15] = 127;
}

static int is_group_zero(data_pattern pattern, size_t group) {
  return pattern == DATA_ZERO_GROUPS && group % 2 == 0;
}

cvar_matrix make_quantized_matrix(int32_t type, int32_t rows, int32_t cols, int32_t group_size,
                                  data_pattern pattern, random_source *source) {
  cvar_matrix w = {.type = type, .rows = rows, .cols = cols, .group_size = group_size};
  size_t codes_bytes = cvar_codes_bytes(type, rows, cols);
  size_t scale_count = (size_t)padded_rows(rows) * (size_t)(cols / group_size);
  size_t superscale_count = (size_t)padded_rows(rows) * (size_t)ceil_divide(cols, 256);
  uint8_t *codes = allocate_exactly(codes_bytes);
  for (size_t i = 0; i < codes_bytes; i++) {
    codes[i] = type == CVAR_INT8 ? random_int8_code(pattern, source) : (uint8_t)random_u64(source);
  }
  w.codes = codes;
  if (type == CVAR_INT8) {
    uint16_t *scales = allocate_exactly(scale_count * 2);
    for (size_t i = 0; i < scale_count; i++) {
      scales[i] = is_group_zero(pattern, i / 16) ? 0 : random_half(pattern, source);
    }
    w.scales = scales;
    return w;
  }
  fill_codebook(w.codebook, pattern, source);
  int8_t *scales = allocate_exactly(scale_count);
  for (size_t i = 0; i < scale_count; i++) {
    scales[i] = is_group_zero(pattern, i / 16) ? 0 : (int8_t)random_int(source, -128, 127);
  }
  uint16_t *superscales = allocate_exactly(superscale_count * 2);
  for (size_t i = 0; i < superscale_count; i++) superscales[i] = random_half(pattern, source);
  w.scales = scales;
  w.superscales = superscales;
  return w;
}

void limit_codebook(cvar_matrix *w, int32_t limit) {
  for (int i = 0; i < 16; i++) w->codebook[i] = (int8_t)(w->codebook[i] * limit / 127);
}

cvar_matrix make_float_matrix(int32_t type, int32_t rows, int32_t cols, random_source *source) {
  cvar_matrix w = {.type = type, .rows = rows, .cols = cols};
  size_t bytes = cvar_codes_bytes(type, rows, cols);
  uint8_t *codes = allocate_exactly(bytes);
  for (size_t i = 0; i < bytes; i++) {
    codes[i] = (uint8_t)random_u64(source);
    if (i % 2 == 1) codes[i] &= 0xbf;  // an exponent bit cleared: no NaN, no infinity
  }
  w.codes = codes;
  return w;
}

void release_matrix(cvar_matrix *w) {
  free((void *)w->codes);
  free((void *)w->scales);
  free((void *)w->superscales);
}

int weight_code(const cvar_matrix *w, int32_t row, int32_t col) {
  size_t tile = (size_t)row / 16, tile_row = (size_t)row % 16, k = (size_t)col;
  const uint8_t *codes = w->codes;
  if (w->type == CVAR_INT8) {
    return (int8_t)codes[tile * 16 * (size_t)w->cols + k / 4 * 64 + tile_row * 4 + k % 4];
  }
  uint8_t byte = codes[tile * 8 * (size_t)w->cols + k / 8 * 64 + tile_row * 4 + k % 4];
  return w->codebook[k % 8 < 4 ? byte & 15 : byte >> 4];
}

double weight_scale(const cvar_matrix *w, int32_t row, int32_t col) {
  size_t tile = (size_t)row / 16, tile_row = (size_t)row % 16;
  size_t groups = (size_t)(w->cols / w->group_size);
  size_t index = (tile * groups + (size_t)(col / w->group_size)) * 16 + tile_row;
  if (w->type == CVAR_INT8) return ldexp(half_value(((const uint16_t *)w->scales)[index]), -12);
  size_t superblocks = (size_t)ceil_divide(w->cols, 256);
  size_t super_index = (tile * superblocks + (size_t)(col / 256)) * 16 + tile_row;
  double superscale = ldexp(half_value(((const uint16_t *)w->superscales)[super_index]), -16);
  return ((const int8_t *)w->scales)[index] * superscale;
}

quantized_activations make_activations(int32_t n, int32_t k, int32_t group_size,
                                       data_pattern pattern, random_source *source) {
  size_t count = (size_t)n * (size_t)k, groups = count / (size_t)group_size;
  quantized_activations x = {allocate_exactly(count), allocate_exactly(groups * 4),
                             allocate_exactly(groups * 4)};
  for (size_t group = 0; group < groups; group++) {
    int is_zero = is_group_zero(pattern, group + (size_t)(k / group_size));
    float scale = 0x1p-6f * (1.5f + random_float(source));
    if (pattern == DATA_TINY_SCALES) scale *= 0x1p-110f;
    x.scales[group] = is_zero ? 0 : scale;
    for (size_t i = group * (size_t)group_size; i < (group + 1) * (size_t)group_size; i++) {
      x.codes[i] = is_zero ? 0 : (int8_t)random_int8_code(pattern, source);
      x.sums[group] += x.codes[i];
    }
  }
  return x;
}

void release_activations(quantized_activations *activations) {
  free(activations->codes);
  free(activations->scales);
  free(activations->sums);
}
