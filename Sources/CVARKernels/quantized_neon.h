#pragma once
#include <arm_neon.h>

#include "quantized_panel.h"

// What the three products of aarch64 share. They multiply 8 rows, half a tile, at a time: the sums
// of 8 rows and 4 tokens fit the registers.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

// The scales of the 4 rows from `row` on.
INLINE float32x4_t cvar_load_scales4(const cvar_matrix *w, int32_t tile, int32_t group,
                                     int32_t row) {
  size_t index = cvar_tile_scale_index(w, tile, group) + (size_t)row;
  if (w->type == CVAR_INT8) {
    float16x4_t halves = vreinterpret_f16_u16(vld1_u16((const uint16_t *)w->scales + index));
    return vmulq_n_f32(vcvt_f32_f16(halves), CVAR_INT8_SCALE_UNIT);
  }
  int32_t superblock = group * w->group_size / CVAR_SUPERBLOCK_COLS;
  const uint16_t *superscales = (const uint16_t *)w->superscales;
  superscales += cvar_tile_superscale_index(w, tile, superblock) + (size_t)row;
  float16x4_t halves = vreinterpret_f16_u16(vld1_u16(superscales));
  float32x4_t superscale = vmulq_n_f32(vcvt_f32_f16(halves), CVAR_INT4_SCALE_UNIT);
  const int8_t *scales = (const int8_t *)w->scales + index;
  int32x4_t integers = {scales[0], scales[1], scales[2], scales[3]};
  return vmulq_f32(vcvtq_f32_s32(integers), superscale);
}

INLINE void cvar_unpack_scales(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                               cvar_panel *panel) {
  int32_t first_group = first_col / w->group_size;
  for (int32_t group = 0; group < cols / w->group_size; group++) {
    for (int32_t row = 0; row < CVAR_TILE_ROWS; row += 4) {
      vst1q_f32(panel->scales + group * CVAR_TILE_ROWS + row,
                cvar_load_scales4(w, tile, first_group + group, row));
    }
  }
}

// 4 rows of the columns 0...3 and 4...7 of 8; `quad` counts 4 rows.
INLINE void cvar_load_int4(const uint8_t *line, int32_t quad, int8x16_t codebook,
                           int8x16_t *even, int8x16_t *odd) {
  uint8x16_t packed = vld1q_u8(line + quad * 16);
  *even = vqtbl1q_s8(codebook, vandq_u8(packed, vdupq_n_u8(15)));
  *odd = vqtbl1q_s8(codebook, vshrq_n_u8(packed, 4));
}

INLINE float32x4_t cvar_load_unfinished(const cvar_block *b, const float *y, int32_t token) {
  return b->is_first_slab ? vdupq_n_f32(0) : vld1q_f32(y + token * b->y_stride);
}

INLINE float32x4_t cvar_finish(int32x4_t sum, float32x4_t weight_scale, float scale,
                               float32x4_t acc) {
  return vfmaq_f32(acc, vcvtq_f32_s32(sum), vmulq_n_f32(weight_scale, scale));
}

// Panels of signed codes, [k / 4][16 rows][4].
void cvar_unpack_panel_neon(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                            cvar_panel *panel);
