#pragma once
#include <stddef.h>
#include <stdint.h>

// Weight quantizers of the converter. Each searches its scales for the least squared error instead of taking the
// largest value, and gives the same bytes on every machine: float sums run in 16 partials with a fixed tree.
// x holds finite values; group_size is 16, 32, 64 or 128 and divides k.

enum {
  CVAR_QUANTIZE_OK = 0,
  CVAR_QUANTIZE_TOO_LARGE = 1,  // a value is beyond what the type's scales or elements can hold
};

// Sums over the weights of (x - quantized)^2 and x^2. The functions add to them.
typedef struct cvar_weight_error {
  double squared_error;
  double squared_sum;
} cvar_weight_error;

// Index of the first NaN or infinity of x[count], or count where there is none.
size_t cvar_first_not_finite(const float *x, size_t count);

// codes[k] within -127...127, scales[k / group_size] fp16 in CVAR_INT8_SCALE_UNIT.
int32_t cvar_quantize_row_int8(const float *x, int32_t k, int32_t group_size, int8_t *codes,
                               uint16_t *scales, cvar_weight_error *error);

// indices[k] into the ascending codebook, scales[k / group_size], superscales[ceil(k / 256)] fp16 in
// CVAR_INT4_SCALE_UNIT. An all-zero group has scale 0 and the index of the entry nearest to zero.
int32_t cvar_quantize_row_int4(const float *x, int32_t k, int32_t group_size,
                               const int8_t codebook[16], uint8_t *indices, int8_t *scales,
                               uint16_t *superscales, cvar_weight_error *error);

// Values of a quantized row: code * scale, codebook[index] * scale * superscale.
void cvar_dequantize_row_int8(const int8_t *codes, const uint16_t *scales, int32_t k,
                              int32_t group_size, float *x);
void cvar_dequantize_row_int4(const uint8_t *indices, const int8_t *scales,
                              const uint16_t *superscales, int32_t k, int32_t group_size,
                              const int8_t codebook[16], float *x);

// f16 or bf16 elements of a row, rounded half to even.
int32_t cvar_round_row_f16(const float *x, int32_t k, uint16_t *out, cvar_weight_error *error);
int32_t cvar_round_row_bf16(const float *x, int32_t k, uint16_t *out, cvar_weight_error *error);

// Places one row's elements into a tile of 16 rows (cvar_matrix.h); `row` is 0...15. int4: k is a multiple of 8.
void cvar_tile_row_1(const int8_t *codes, int32_t k, int32_t row, int8_t *tile);
void cvar_tile_row_int4(const uint8_t *indices, int32_t k, int32_t row, uint8_t *tile);
void cvar_tile_row_2(const uint16_t *x, int32_t k, int32_t row, uint16_t *tile);
void cvar_tile_row_4(const float *x, int32_t k, int32_t row, float *tile);
// The reverse of the first two, for reading a file back.
void cvar_untile_row_1(const int8_t *tile, int32_t k, int32_t row, int8_t *codes);
void cvar_untile_row_int4(const uint8_t *tile, int32_t k, int32_t row, uint8_t *indices);

// Row-major int4 of an embedding table: indices[k] to k / 2 bytes and back.
void cvar_pack_row_int4(const uint8_t *indices, int32_t k, uint8_t *packed);
void cvar_unpack_row_int4(const uint8_t *packed, int32_t k, uint8_t *indices);
