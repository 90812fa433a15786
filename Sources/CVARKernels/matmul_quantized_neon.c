#if defined(__aarch64__)
#define TARGET
#define HAS_NARROW 1
#include "stream_neon.h"

enum {
  MAX_TOKENS = 4,
  MAX_NARROW_TOKENS = 3,  // whose sums leave fewer registers
};

void cvar_unpack_panel_neon(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                            cvar_panel *panel) {
  const uint8_t *codes = cvar_tile_codes(w, tile);
  cvar_unpack_scales(w, tile, first_col, cols, panel);
  if (w->type == CVAR_INT8) {
    memcpy(panel->codes, codes + (size_t)first_col * 16, (size_t)cols * 16);
    return;
  }
  int8x16_t codebook = vld1q_s8(w->codebook);
  codes += (size_t)first_col * 8;
  for (int32_t k = 0; k < cols; k += 8) {
    int8_t *to = (int8_t *)panel->codes + k * 16;
    for (int32_t quad = 0; quad < 4; quad++) {
      int8x16_t even, odd;
      cvar_load_int4(codes + k * 8, quad, codebook, &even, &odd);
      vst1q_s8(to + quad * 16, even);
      vst1q_s8(to + 64 + quad * 16, odd);
    }
  }
}

// The sums of 4 rows: each register holds 2 rows, 2 partial sums a row.
typedef struct quad_sum {
  int32x4_t low, high;
} quad_sum;

INLINE int32x4_t whole(quad_sum sum) { return vpaddq_s32(sum.low, sum.high); }

// Activations of 8 or 16 columns for all rows, 4 columns a register; codes begin at a multiple of 4.
INLINE void load_activations(const int8_t *codes, int8x16_t *x, const int lines) {
  if (lines == 2) {
    int32x2_t columns = vreinterpret_s32_s8(vld1_s8(codes));
    x[0] = vreinterpretq_s8_s32(vdupq_lane_s32(columns, 0));
    x[1] = vreinterpretq_s8_s32(vdupq_lane_s32(columns, 1));
  } else {
    int32x4x4_t columns = vld4q_dup_s32((const void *)codes);
    UNROLL for (int line = 0; line < 4; line++) x[line] = vreinterpretq_s8_s32(columns.val[line]);
  }
}

// 8 columns of 4 rows. Two products of 127 * 127 fit 16 bits, so nothing overflows.
INLINE void add_products(quad_sum *sum, int8x16_t w0, int8x16_t w1, int8x16_t x0, int8x16_t x1) {
  int16x8_t low = vmull_s8(vget_low_s8(w0), vget_low_s8(x0));
  int16x8_t high = vmull_high_s8(w0, x0);
  low = vmlal_s8(low, vget_low_s8(w1), vget_low_s8(x1));
  high = vmlal_high_s8(high, w1, x1);
  sum->low = vpadalq_s16(sum->low, low);
  sum->high = vpadalq_s16(sum->high, high);
}

INLINE void sum_wide(group_source *g, const int tokens, quad_sum (*sum)[2]) {
  UNROLL for (int t = 0; t < tokens; t++) {
    sum[t][0].low = sum[t][0].high = sum[t][1].low = sum[t][1].high = vdupq_n_s32(0);
  }
  for (int32_t k = 0; k < g->group_size; k += 8) {
    int8x16_t even[2], odd[2], x[2];
    load_quad(g, g->line, 0, &even[0], &odd[0]);
    load_quad(g, g->line, 1, &even[1], &odd[1]);
    UNROLL for (int t = 0; t < tokens; t++) {
      load_activations(g->codes + t * g->codes_stride, x, 2);
      add_products(&sum[t][0], even[0], odd[0], x[0], x[1]);
      add_products(&sum[t][1], even[1], odd[1], x[0], x[1]);
    }
    g->line += line_bytes(g);
    g->codes += 8;
  }
}

// The same in 16 bits: each register holds 2 rows, 4 partial sums a row.
typedef struct narrow_sum {
  int16x8_t low, high;
} narrow_sum;

// 4 columns of 4 rows, the first or further ones of a sum.
INLINE void add_narrow(narrow_sum *sum, int8x16_t w, int8x16_t x, const int is_first) {
  if (is_first) {
    sum->low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
    sum->high = vmull_high_s8(w, x);
  } else {
    sum->low = vmlal_s8(sum->low, vget_low_s8(w), vget_low_s8(x));
    sum->high = vmlal_high_s8(sum->high, w, x);
  }
}

// 16 or 32 columns: eight products of 31 * 127 fit 16 bits. Weights that are unpacked on the way leave registers for 8
// columns at a time, those of a panel for 16.
INLINE void sum_narrow_columns(group_source *g, const int cols, const int tokens, narrow_sum (*sum)[2]) {
  const int lines = g->is_int4 ? 2 : 4;
  UNROLL for (int k = 0; k < cols; k += lines * 4) {
    int8x16_t w[2][4];
    UNROLL for (int line = 0; line < lines; line += 2) {
      load_quad(g, g->line, 0, &w[0][line], &w[0][line + 1]);
      load_quad(g, g->line, 1, &w[1][line], &w[1][line + 1]);
      g->line += line_bytes(g);
    }
    UNROLL for (int t = 0; t < tokens; t++) {
      int8x16_t x[4];
      load_activations(g->codes + t * g->codes_stride, x, lines);
      UNROLL for (int line = 0; line < lines; line++) {
        add_narrow(&sum[t][0], w[0][line], x[line], k + line == 0);
        add_narrow(&sum[t][1], w[1][line], x[line], k + line == 0);
      }
    }
    g->codes += lines * 4;
  }
}

INLINE void sum_narrow(group_source *g, const int tokens, quad_sum (*sum)[2]) {
  narrow_sum part[MAX_STREAM_TOKENS][2];
  if (g->group_size == 16) {
    sum_narrow_columns(g, 16, tokens, part);
  } else {
    sum_narrow_columns(g, 32, tokens, part);
  }
  UNROLL for (int i = 0; i < 2 * tokens; i++) {
    sum[i / 2][i % 2].low = vpaddlq_s16(part[i / 2][i % 2].low);
    sum[i / 2][i % 2].high = vpaddlq_s16(part[i / 2][i % 2].high);
  }
  for (int32_t k = 32; k < g->group_size; k += 32) {
    sum_narrow_columns(g, 32, tokens, part);
    UNROLL for (int i = 0; i < 2 * tokens; i++) {
      quad_sum *whole = &sum[i / 2][i % 2];
      whole->low = vpadalq_s16(whole->low, part[i / 2][i % 2].low);
      whole->high = vpadalq_s16(whole->high, part[i / 2][i % 2].high);
    }
  }
}

// The group from `g` on, which then stands at the next one.
INLINE void sum_next_group(group_source *g, const int tokens, int32x4_t (*sums)[2]) {
  quad_sum sum[MAX_STREAM_TOKENS][2];
  if (g->is_narrow) {
    sum_narrow(g, tokens, sum);
  } else {
    sum_wide(g, tokens, sum);
  }
  UNROLL for (int t = 0; t < tokens; t++) {
    sums[t][0] = whole(sum[t][0]);
    sums[t][1] = whole(sum[t][1]);
  }
}

INLINE void sum_group(group_source g, const int tokens, int32x4_t (*sums)[2]) {
  sum_next_group(&g, tokens, sums);
}

INLINE void multiply_half(const cvar_block *b, const cvar_panel *panel, int32_t first_row,
                          float *y, const int tokens, const int narrow) {
  float32x4_t acc[MAX_TOKENS][2];
  UNROLL for (int t = 0; t < tokens; t++) {
    acc[t][0] = cvar_load_unfinished(b, y, t);
    acc[t][1] = cvar_load_unfinished(b, y + 4, t);
  }
  // A panel has the layout of int8.
  group_source g = {
      .line = panel->codes + first_row * 4,
      .is_int4 = 0,
      .is_narrow = narrow,
      .codes = b->codes,
      .codes_stride = b->codes_stride,
      .group_size = b->group_size,
  };
  for (int32_t group = 0; group < b->groups; group++) {
    int32x4_t sums[MAX_TOKENS][2];
    sum_next_group(&g, tokens, sums);
    const float *weight_scales = panel->scales + group * CVAR_TILE_ROWS + first_row;
    UNROLL for (int t = 0; t < tokens; t++) {
      float scale = b->scales[t * b->scales_stride + group];
      UNROLL for (int quad = 0; quad < 2; quad++) {
        acc[t][quad] = cvar_finish(sums[t][quad], vld1q_f32(weight_scales + quad * 4), scale,
                                   acc[t][quad]);
      }
    }
  }
  UNROLL for (int t = 0; t < tokens; t++) {
    vst1q_f32(y + t * b->y_stride, acc[t][0]);
    vst1q_f32(y + t * b->y_stride + 4, acc[t][1]);
  }
}

INLINE void multiply_rows(const cvar_block *b, const int narrow) {
  for (int32_t row = 0; row < b->tiles * CVAR_TILE_ROWS; row += 8) {
    const cvar_panel *panel = b->panels + row / CVAR_TILE_ROWS;
    int32_t first_row = row % CVAR_TILE_ROWS;
    switch (b->tokens) {
      case 1: multiply_half(b, panel, first_row, b->y + row, 1, narrow); break;
      case 2: multiply_half(b, panel, first_row, b->y + row, 2, narrow); break;
      case 3: multiply_half(b, panel, first_row, b->y + row, 3, narrow); break;
      default: multiply_half(b, panel, first_row, b->y + row, narrow ? MAX_NARROW_TOKENS : 4, narrow); break;
    }
  }
}

static void multiply(const cvar_block *b) { multiply_rows(b, 0); }
static void multiply_narrow(const cvar_block *b) { multiply_rows(b, 1); }

static const cvar_panel_kernels *panel_kernels_for(const cvar_matrix *w) {
  static const cvar_panel_kernels any = {MAX_TOKENS, cvar_unpack_panel_neon, multiply};
  static const cvar_panel_kernels narrow = {MAX_NARROW_TOKENS, cvar_unpack_panel_neon, multiply_narrow};
  return is_narrow(w) ? &narrow : &any;
}

void cvar_matmul_quantized_neon(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                const int32_t *sums, int32_t n, const float *bias, float *y,
                                ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  cvar_stream s = {w, codes, scales, sums, bias, y, y_stride};
  multiply_tiles(panel_kernels_for(w), &s, n, tile_begin, tile_end);
}

void cvar_convolve_quantized_neon(const cvar_matrix *w, const cvar_code_map *map,
                                  const float *bias, float *y, ptrdiff_t y_row_stride,
                                  int32_t tile_begin, int32_t tile_end) {
  cvar_convolve_panels(panel_kernels_for(w), w, map, bias, y, y_row_stride, tile_begin, tile_end);
}
#endif
