#pragma once
#include "float_lanes.h"

#define LANE v16
#define LANE_SPLAT(x) splat(x)
#define LANE_FMA(a, b, c) fma16(a, b, c)
#include "winograd_transforms.h"

// `count` lanes, the others zero; 16 is a constant wherever all lanes are there.
CVAR_INLINE v16 load_part(const float *p, int32_t count) {
  if (count == 16) return load_f32(p);
  float lanes[16] = {0};
  for (int32_t i = 0; i < count; i++) lanes[i] = p[i];
  return load_f32(lanes);
}

CVAR_INLINE void store_part(float *p, v16 v, int32_t count) {
  if (count == 16) {
    store_f32(p, v);
    return;
  }
  float lanes[16];
  store_f32(lanes, v);
  for (int32_t i = 0; i < count; i++) p[i] = lanes[i];
}

CVAR_INLINE void transform_weights(const cvar_matrix *w, int32_t type, float *u, int32_t tile,
                                   int32_t channel) {
  const int32_t channels = w->cols / 9, tiles = (w->rows + 15) / 16;
  v16 columns[3][6];
  UNROLL
  for (int32_t kx = 0; kx < 3; kx++) {
    v16 g[3];
    UNROLL
    for (int32_t ky = 0; ky < 3; ky++) {
      size_t k = (size_t)(ky * 3 + kx) * (size_t)channels + (size_t)channel;
      g[ky] = load_type(type, w->codes, ((size_t)tile * (size_t)w->cols + k) * 16);
    }
    winograd_weights_axis(g, columns[kx]);
  }
  UNROLL
  for (int32_t i = 0; i < 6; i++) {
    v16 row[3] = {columns[0][i], columns[1][i], columns[2][i]}, out[6];
    winograd_weights_axis(row, out);
    UNROLL
    for (int32_t j = 0; j < 6; j++) {
      size_t matrix = (size_t)(i * 6 + j) * (size_t)tiles + (size_t)tile;
      store_f32(u + (matrix * (size_t)channels + (size_t)channel) * 16, out[j]);
    }
  }
}

static void winograd_weights(const cvar_matrix *w, float *u, int32_t tile_begin, int32_t tile_end) {
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    for (int32_t channel = 0; channel < w->cols / 9; channel++) {
      switch (w->type) {
        case CVAR_F16: transform_weights(w, CVAR_F16, u, tile, channel); break;
        case CVAR_BF16: transform_weights(w, CVAR_BF16, u, tile, channel); break;
        default: transform_weights(w, CVAR_F32, u, tile, channel); break;
      }
    }
  }
}

typedef struct patch {
  const float *x;
  ptrdiff_t row_stride;
  int32_t channels, rows, cols;
  float *v;
  ptrdiff_t position_stride;
} patch;

// `count` channels of one patch. Pixels beyond `rows` and `cols` are zero; both are 6 where all are there.
CVAR_INLINE void transform_patch(const patch *p, int32_t rows, int32_t cols, int32_t channel,
                                 int32_t count) {
  v16 columns[6][6];
  UNROLL
  for (int32_t kx = 0; kx < 6; kx++) {
    v16 d[6];
    UNROLL
    for (int32_t ky = 0; ky < 6; ky++) {
      const float *x = p->x + ky * p->row_stride + (ptrdiff_t)kx * p->channels + channel;
      d[ky] = ky < rows && kx < cols ? load_part(x, count) : splat(0);
    }
    winograd_input_axis(d, columns[kx]);
  }
  UNROLL
  for (int32_t i = 0; i < 6; i++) {
    v16 row[6], out[6];
    UNROLL
    for (int32_t kx = 0; kx < 6; kx++) row[kx] = columns[kx][i];
    winograd_input_axis(row, out);
    UNROLL
    for (int32_t j = 0; j < 6; j++) {
      store_part(p->v + (i * 6 + j) * p->position_stride + channel, out[j], count);
    }
  }
}

static void winograd_input(const float *x, ptrdiff_t row_stride, int32_t channels, int32_t rows,
                           int32_t cols, int32_t patches, float *v, ptrdiff_t position_stride) {
  for (int32_t i = 0; i < patches; i++) {
    const patch p = {x + (ptrdiff_t)i * 4 * channels, row_stride, channels, rows, cols - 4 * i,
                     v + (ptrdiff_t)i * channels, position_stride};
    const int32_t is_whole = p.rows >= 6 && p.cols >= 6;
    int32_t channel = 0;
    for (; channel + 16 <= channels; channel += 16) {
      if (is_whole) {
        transform_patch(&p, 6, 6, channel, 16);
      } else {
        transform_patch(&p, p.rows, p.cols, channel, 16);
      }
    }
    if (channel < channels) transform_patch(&p, p.rows, p.cols, channel, channels - channel);
  }
}

typedef struct output {
  const float *m;
  ptrdiff_t position_stride;
  const float *bias;
  int32_t channels, rows, cols;
  float *y;
  ptrdiff_t row_stride;
} output;

// `count` channels of one patch; only the pixels within `rows` and `cols` are stored.
CVAR_INLINE void restore_patch(const output *p, int32_t rows, int32_t cols, int32_t channel,
                               int32_t count) {
  v16 columns[6][4];
  UNROLL
  for (int32_t j = 0; j < 6; j++) {
    v16 m[6];
    UNROLL
    for (int32_t i = 0; i < 6; i++) {
      m[i] = load_part(p->m + (i * 6 + j) * p->position_stride + channel, count);
    }
    winograd_output_axis(m, columns[j]);
  }
  const v16 bias = p->bias ? load_part(p->bias + channel, count) : splat(0);
  UNROLL
  for (int32_t i = 0; i < 4; i++) {
    v16 row[6], out[4];
    UNROLL
    for (int32_t j = 0; j < 6; j++) row[j] = columns[j][i];
    winograd_output_axis(row, out);
    UNROLL
    for (int32_t j = 0; j < 4; j++) {
      float *y = p->y + i * p->row_stride + (ptrdiff_t)j * p->channels + channel;
      if (i < rows && j < cols) store_part(y, out[j] + bias, count);
    }
  }
}

static void winograd_output(const float *m, ptrdiff_t position_stride, int32_t channels,
                            int32_t patches, const float *bias, int32_t rows, int32_t cols,
                            float *y, ptrdiff_t row_stride) {
  for (int32_t i = 0; i < patches; i++) {
    const output p = {m + (ptrdiff_t)i * channels, position_stride, bias, channels, rows,
                      cols - 4 * i, y + (ptrdiff_t)i * 4 * channels, row_stride};
    const int32_t is_whole = p.rows >= 4 && p.cols >= 4;
    int32_t channel = 0;
    for (; channel + 16 <= channels; channel += 16) {
      if (is_whole) {
        restore_patch(&p, 4, 4, channel, 16);
      } else {
        restore_patch(&p, p.rows, p.cols, channel, 16);
      }
    }
    if (channel < channels) restore_patch(&p, p.rows, p.cols, channel, channels - channel);
  }
}

#undef LANE
#undef LANE_SPLAT
#undef LANE_FMA
