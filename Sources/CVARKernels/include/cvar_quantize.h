#pragma once
#include <stddef.h>
#include <stdint.h>

#include "cvar_kernels.h"

// Weight quantizers of the converter. Each searches its scales for the least squared error instead of taking the
// largest value, and gives the same bytes on every machine: float sums run in 16 partials with a fixed tree.
// x holds finite values; group_size is 16, 32, 64 or 128 and divides k.

// Sums over the weights of a row of (x - stored)^2 and x^2, groups or elements ascending.
typedef struct cvar_weight_error {
  double squared_error;
  double squared_sum;
} cvar_weight_error;

// One table per instruction set. Every entry gives the same bits as `scalar`.
//
// Each takes `rows` (1...16) rows x[rows][k], x_stride elements apart, and fills a whole tile in the layout of
// cvar_matrix.h; the rows that it lacks are zero. errors[rows] is written.
// Returns `rows`, or the first row with a value beyond what the type's scales or elements can hold; then the outputs
// mean nothing.
typedef struct cvar_weight_quantizers {
  // codes[k / 4][16][4] within -127...127, scales[k / group_size][16] fp16 in CVAR_INT8_SCALE_UNIT.
  int32_t (*quantize_int8)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                           int32_t group_size, int8_t *codes, uint16_t *scales,
                           cvar_weight_error *errors);
  // Indices into the ascending codebook, tile[k / 8][16][4]; scales[k / group_size][16],
  // superscales[ceil(k / 256)][16] fp16 in CVAR_INT4_SCALE_UNIT. An all-zero group has scale 0 and the index of the
  // entry nearest to zero.
  int32_t (*quantize_int4)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                           int32_t group_size, const int8_t codebook[16], uint8_t *tile,
                           int8_t *scales, uint16_t *superscales, cvar_weight_error *errors);
  // Elements rounded half to even, tile[k][16]; any k.
  int32_t (*round_f16)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k, uint16_t *tile,
                       cvar_weight_error *errors);
  int32_t (*round_bf16)(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k, uint16_t *tile,
                        cvar_weight_error *errors);
} cvar_weight_quantizers;

// The table of an instruction set, or NULL where this machine lacks it.
const cvar_weight_quantizers *cvar_weight_quantizers_for(cvar_isa isa);

// Index of the first NaN or infinity of x[count], or count where there is none.
size_t cvar_first_not_finite(const float *x, size_t count);

// Values of a quantized row: code * scale, codebook[index] * scale * superscale.
void cvar_dequantize_row_int8(const int8_t *codes, const uint16_t *scales, int32_t k,
                              int32_t group_size, float *x);
void cvar_dequantize_row_int4(const uint8_t *indices, const int8_t *scales,
                              const uint16_t *superscales, int32_t k, int32_t group_size,
                              const int8_t codebook[16], float *x);

// Places one row's elements into a tile of 16 rows (cvar_matrix.h); `row` is 0...15.
void cvar_tile_row_4(const float *x, int32_t k, int32_t row, float *tile);
// Takes one row's elements out of a tile. int4: k is a multiple of 8.
void cvar_untile_row_1(const int8_t *tile, int32_t k, int32_t row, int8_t *codes);
void cvar_untile_row_int4(const uint8_t *tile, int32_t k, int32_t row, uint8_t *indices);
void cvar_untile_row_2(const uint16_t *tile, int32_t k, int32_t row, uint16_t *x);

// Row-major int4 of an embedding table: indices[k] to k / 2 bytes and back.
void cvar_pack_row_int4(const uint8_t *indices, int32_t k, uint8_t *packed);
void cvar_unpack_row_int4(const uint8_t *packed, int32_t k, uint8_t *indices);
