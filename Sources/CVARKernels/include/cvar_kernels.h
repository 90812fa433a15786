#pragma once
#include "cvar_matrix.h"

// The kernels, one table per instruction set. Every entry gives the same bits as `scalar`.
// No kernel allocates, locks, prints or keeps state. Strides count elements. Rows of activations are tokens
// (or pixels), contiguous inside a row. Buffers do not overlap unless a line says "in place".

// Below this, 127 / max|x| could overflow.
#define CVAR_ACTIVATION_ZERO 0x1p-100f

typedef enum cvar_isa {
  CVAR_ISA_SCALAR = 0,
  CVAR_ISA_AVX2 = 1,
  CVAR_ISA_AVXVNNI = 2,
  CVAR_ISA_AVX512VNNI = 3,
  CVAR_ISA_NEON = 4,
  CVAR_ISA_DOTPROD = 5,
  CVAR_ISA_I8MM = 6,
  CVAR_ISA_COUNT = 7,
} cvar_isa;

enum {
  CVAR_WINOGRAD_PATCH = 4,       // outputs of a patch along each side; it reads 2 inputs more
  CVAR_WINOGRAD_POSITIONS = 36,  // products of a patch and channel
  CVAR_ATTENTION_BLOCK = 64,     // keys per block
  CVAR_KEY_GROUP = 16,           // keys that a cache keeps side by side
  CVAR_MAX_HEAD_DIM = 256,
};

// A run of cached positions, counted from its own first one.
// keys:   [kv_head][capacity / 16][head_dim][16]
// values: [kv_head][capacity][head_dim]
// key_scales, value_scales: [kv_head][capacity], of CVAR_INT8 alone
typedef struct cvar_kv_run {
  int32_t capacity;  // positions, a multiple of 16
  void *keys;
  void *values;
  float *key_scales;
  float *value_scales;
} cvar_kv_run;

// Keys and values of one sequence in one layer. Of the positions, the body holds the first ones and the tail those from
// body.capacity on, so that several layers can share one tail.
//
// CVAR_INT8 has a scale per position and kv head, by the rule of quantize_activations over the whole head. A key that
// is rotate(W x + bias) is stored without its bias where key_bias is given: as the codes of k - r with r = rotate(bias)
// by rope_half's formula and cos and sin of its position. It counts as fma(code, scale, r); what has no bias counts as
// code * scale.
typedef struct cvar_kv {
  int32_t type;      // CVAR_F32, CVAR_F16 or CVAR_INT8
  int32_t kv_heads;
  int32_t head_dim;  // at most CVAR_MAX_HEAD_DIM, a multiple of 8
  cvar_kv_run body;
  cvar_kv_run tail;
  const float *key_bias;  // [kv_head][head_dim] or NULL; for CVAR_INT8 alone
  const float *cos, *sin; // [position / 16][head_dim / 2][16], where there is a key_bias
} cvar_kv;

// Quantized pixels under a 3x3 kernel, channels last. Strides count codes and are multiples of the group size; scales
// and sums lie one per group in the same order.
typedef struct cvar_code_map {
  const int8_t *codes;      // of the pixel under the kernel's first corner at the first output
  const float *scales;
  const int32_t *sums;
  int32_t height, width;    // outputs
  ptrdiff_t row_stride;     // from an output to the one below
  ptrdiff_t pixel_stride;   // from an output to the next
  ptrdiff_t kernel_stride;  // from one row of the kernel to the next
} cvar_code_map;

typedef struct cvar_kernels {
  const char *name;

  // Bytes of its thread's stack that a call of any entry takes at most; each thread that runs kernels needs them.
  size_t stack_bytes;

  // codes[n][k], scales[n][k/group], sums[n][k/group] of x[n][k]: scale = max|x| / 127, code = x * (127 / max|x|)
  // rounded half to even within +-127. A group with max|x| < CVAR_ACTIVATION_ZERO counts as zeros: scale 0, codes 0.
  // A group with a NaN has the scale NaN, so that all its outputs become NaN. sums are those of the codes.
  void (*quantize_activations)(const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
                               int32_t group_size, int8_t *codes, float *scales, int32_t *sums);

  // y[n][rows] = W x + bias for the row tiles [tile_begin, tile_end); W is int4 or int8. Per row and token:
  // acc = 0; over groups ascending acc = fma(float(isum), weight_scale * activation_scale, acc); y = acc + bias.
  // weight_scale: int8: fp16 * UNIT; int4: float(int8 scale) * (fp16 superscale * UNIT), exact. bias may be NULL.
  void (*matmul_quantized)(const cvar_matrix *w, const int8_t *codes, const float *scales,
                           const int32_t *sums, int32_t n, const float *bias, float *y,
                           ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end);

  // A 3x3 convolution with the arithmetic of matmul_quantized: y[height][width][rows], a row of outputs being
  // y_row_stride apart. W has 9 * channels columns (ky, kx, channel); a group lies within one (ky, kx).
  void (*convolve_quantized)(const cvar_matrix *w, const cvar_code_map *map, const float *bias,
                             float *y, ptrdiff_t y_row_stride, int32_t tile_begin,
                             int32_t tile_end);

  // y = W x + bias as matmul_quantized has it, for W in f32, f16 or bf16 and activations in f32: acc = fma(w, x, acc)
  // over k ascending; y = acc + bias.
  // Token t's inputs are `segments` runs of cols/segments floats at x + t*token_stride + s*segment_stride:
  // a 3x3 convolution over a padded picture is 3 runs of 3*channels.
  void (*matmul_float)(const cvar_matrix *w, const float *x, ptrdiff_t token_stride, int32_t segments,
                       ptrdiff_t segment_stride, int32_t n, const float *bias, float *y,
                       ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end);

  // A 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3), from patches of 6x6 pixels to patches of 4x4 that lie side
  // by side in a row: at each of the 36 positions of a patch, m = u v is a matmul_float of its own.
  // winograd_transforms.h has the formulas.
  //
  // u[position][tile][channel][16 rows] of the float kernel w of 9 * channels columns, for the tiles
  // [tile_begin, tile_end).
  void (*winograd_weights)(const cvar_matrix *w, float *u, int32_t tile_begin, int32_t tile_end);
  // v[position][patch][channels], a position being position_stride apart. Patch i begins at x + 4 * i * channels;
  // rows and cols count the pixels that are there from x on, those beyond are zeros.
  void (*winograd_input)(const float *x, ptrdiff_t row_stride, int32_t channels, int32_t rows,
                         int32_t cols, int32_t patches, float *v, ptrdiff_t position_stride);
  // y = the outputs of m[position][patch][channels] + bias; only the pixels within rows and cols from y on are written.
  // bias may be NULL.
  void (*winograd_output)(const float *m, ptrdiff_t position_stride, int32_t channels,
                          int32_t patches, const float *bias, int32_t rows, int32_t cols, float *y,
                          ptrdiff_t row_stride);

  // Row sums of the norms: 16 strided partials (element i goes to partial i % 16, fma), then pairwise halves
  // (i and i+8, i+4, i+2, i+1). rms: y = x * (1/sqrt(mean(x^2)+eps)) * weight.
  void (*rms_norm)(const float *x, ptrdiff_t x_stride, int32_t n, int32_t cols, const float *weight,
                   float eps, float *y, ptrdiff_t y_stride);
  // y = fma((x - mean) * (1/sqrt(var+eps)), weight, bias); weight and bias may both be NULL (1 and 0).
  void (*layer_norm)(const float *x, ptrdiff_t x_stride, int32_t n, int32_t cols,
                     const float *weight, const float *bias, float eps, float *y,
                     ptrdiff_t y_stride);
  // In place, per head of head_dim: x = x / max(|x|, 1e-12) * head_scale[h]; head_scale NULL means 1.
  void (*normalize_heads)(float *x, ptrdiff_t x_stride, int32_t n, int32_t heads, int32_t head_dim,
                          const float *head_scale);

  // In place rotation by cos[n][head_dim/2], sin[n][head_dim/2], the same for each head.
  // half: pairs (i, i + head_dim/2); interleaved: pairs (2i, 2i+1). (a,b) -> (a cos - b sin, a sin + b cos).
  void (*rope_half)(float *x, ptrdiff_t x_stride, int32_t n, int32_t heads, int32_t head_dim,
                    const float *cos, const float *sin);
  void (*rope_interleaved)(float *x, ptrdiff_t x_stride, int32_t n, int32_t heads, int32_t head_dim,
                           const float *cos, const float *sin);

  // Stores k[n][kv_heads*head_dim] and v at positions [position, position + n).
  void (*kv_store)(const cvar_kv *kv, int32_t position, int32_t n, const float *k,
                   ptrdiff_t k_stride, const float *v, ptrdiff_t v_stride);

  // out[n][heads*head_dim] for the heads [head_begin, head_end): softmax(scale * q k) v over the first
  // kv_length + causal*i keys for query i (causal is 0 or 1). Key blocks of 64, online softmax in f32: scores have
  // lanes over keys and sum over the head dimension ascending, values sum over keys ascending, both with fma; the sum
  // of a block's exponentials has 16 strided partials and the tree of the norms. Query head h reads kv head
  // h / (heads / kv_heads).
  void (*attention)(const cvar_kv *kv, const float *q, ptrdiff_t q_stride, int32_t n, int32_t heads,
                    int32_t head_begin, int32_t head_end, int32_t kv_length, int32_t causal,
                    float scale, float *out, ptrdiff_t out_stride);

  // Elementwise over count floats; y may be x.
  void (*silu)(const float *x, float *y, size_t count);
  void (*quick_gelu)(const float *x, float *y, size_t count);  // x * sigmoid(1.702 x)
  void (*gelu_erf)(const float *x, float *y, size_t count);
  void (*gelu_tanh)(const float *x, float *y, size_t count);
  void (*silu_multiply)(const float *gate, const float *up, float *y, size_t count);
  void (*add)(float *x, const float *y, size_t count);  // x += y
  // x[n][cols] = fma(y[n][cols], gain[cols], x)
  void (*add_scaled)(float *x, ptrdiff_t x_stride, const float *y, ptrdiff_t y_stride, int32_t n,
                     int32_t cols, const float *gain);

  // Halves as floats times factor, and floats times factor rounded to halves (half to even). Finite products beyond the
  // halves' range become +-65504; infinities and NaN stay what they are.
  void (*from_f16)(const uint16_t *x, float factor, float *y, size_t count);
  void (*to_f16)(const float *x, float factor, uint16_t *y, size_t count);

  // Sums over pixels of x[pixels][channels], per channel, in double: adds to sum[channels], sum_of_squares[channels].
  void (*channel_sums)(const float *x, int32_t pixels, int32_t channels, double *sum,
                       double *sum_of_squares);
  // y = fma(x, scale[c], shift[c]), then silu if asked. y may be x.
  void (*channel_affine)(const float *x, int32_t pixels, int32_t channels, const float *scale,
                         const float *shift, int32_t apply_silu, float *y);

  // out[cols] = row `row` of the matrix in f32, by the formula of its type.
  void (*gather_row)(const cvar_matrix *w, int32_t row, float *out);
} cvar_kernels;

const char *cvar_isa_name(cvar_isa isa);
int cvar_isa_is_supported(cvar_isa isa);
cvar_isa cvar_isa_best(void);
// The table of an instruction set, or NULL where this machine lacks it.
const cvar_kernels *cvar_kernels_for(cvar_isa isa);
