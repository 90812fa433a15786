#include "include/cvar_math.h"
#include "include/cvar_matrix.h"
#include "include/cvar_quantize.h"

#if defined(__clang__)
#pragma clang fp contract(off)
#endif

size_t cvar_first_not_finite(const float *x, size_t count) {
  enum { STEP = 256 };
  for (size_t start = 0; start < count; start += STEP) {
    size_t end = count - start < STEP ? count : start + STEP;
    int32_t found = 0;
    for (size_t i = start; i < end; i++) found |= !(x[i] - x[i] == 0);
    for (size_t i = start; found && i < end; i++) {
      if (!(x[i] - x[i] == 0)) return i;
    }
  }
  return count;
}

void cvar_dequantize_row_int8(const int8_t *codes, const uint16_t *scales, int32_t k,
                              int32_t group_size, float *x) {
  for (int32_t start = 0; start < k; start += group_size) {
    float scale = cvar_f32_from_f16(scales[start / group_size]) * CVAR_INT8_SCALE_UNIT;
    for (int32_t i = start; i < start + group_size; i++) x[i] = (float)codes[i] * scale;
  }
}

void cvar_dequantize_row_int4(const uint8_t *indices, const int8_t *scales,
                              const uint16_t *superscales, int32_t k, int32_t group_size,
                              const int8_t codebook[16], float *x) {
  for (int32_t start = 0; start < k; start += group_size) {
    uint16_t half = superscales[start / CVAR_SUPERBLOCK_COLS];
    float super = cvar_f32_from_f16(half) * CVAR_INT4_SCALE_UNIT;
    float scale = (float)scales[start / group_size] * super;
    for (int32_t i = start; i < start + group_size; i++) {
      x[i] = (float)codebook[indices[i]] * scale;
    }
  }
}

void cvar_untile_row_1(const int8_t *tile, int32_t k, int32_t row, int8_t *codes) {
  for (int32_t i = 0; i < k; i++) codes[i] = tile[i / 4 * 64 + row * 4 + i % 4];
}

void cvar_untile_row_int4(const uint8_t *tile, int32_t k, int32_t row, uint8_t *indices) {
  for (int32_t i = 0; i < k; i += 8) {
    const uint8_t *bytes = tile + i / 8 * 64 + row * 4;
    for (int32_t j = 0; j < 4; j++) {
      indices[i + j] = bytes[j] & 15;
      indices[i + j + 4] = bytes[j] >> 4;
    }
  }
}

void cvar_pack_row_int4(const uint8_t *indices, int32_t k, uint8_t *packed) {
  for (int32_t i = 0; i < k; i += 8) {
    uint8_t *bytes = packed + i / 2;
    for (int32_t j = 0; j < 4; j++) bytes[j] = indices[i + j] | (uint8_t)(indices[i + j + 4] << 4);
  }
}

void cvar_unpack_row_int4(const uint8_t *packed, int32_t k, uint8_t *indices) {
  for (int32_t i = 0; i < k; i += 8) {
    const uint8_t *bytes = packed + i / 2;
    for (int32_t j = 0; j < 4; j++) {
      indices[i + j] = bytes[j] & 15;
      indices[i + j + 4] = bytes[j] >> 4;
    }
  }
}

void cvar_untile_row_2(const uint16_t *tile, int32_t k, int32_t row, uint16_t *x) {
  for (int32_t i = 0; i < k; i++) x[i] = tile[i * CVAR_TILE_ROWS + row];
}

void cvar_tile_row_4(const float *x, int32_t k, int32_t row, float *tile) {
  for (int32_t i = 0; i < k; i++) tile[i * CVAR_TILE_ROWS + row] = x[i];
}
