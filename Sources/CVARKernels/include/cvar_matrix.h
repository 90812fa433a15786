#pragma once
#include <stddef.h>
#include <stdint.h>

// A weight matrix of `rows` outputs and `cols` inputs, laid out in tiles of 16 rows (formats/vq4.md, section 5).
// Rows that a last tile lacks have zero codes and zero scales. All pointers are 64-byte aligned.

enum {
  CVAR_TILE_ROWS = 16,
  CVAR_SUPERBLOCK_COLS = 256,
};

// An fp16 scale counts in these units, so that the scales of small weights stay normal numbers.
#define CVAR_INT8_SCALE_UNIT 0x1p-12f
#define CVAR_INT4_SCALE_UNIT 0x1p-16f

typedef enum cvar_type {
  CVAR_F32 = 1,
  CVAR_F16 = 2,
  CVAR_BF16 = 3,
  CVAR_INT8 = 4,
  CVAR_INT4 = 5,
} cvar_type;

typedef struct cvar_matrix {
  int32_t type;        // cvar_type
  int32_t rows;        // outputs, at least 1
  int32_t cols;        // inputs (k), a multiple of group_size for int4 and int8
  int32_t group_size;  // int8: 32, 64, 128; int4: 16, 32, 64, 128; else 0
  // f32, f16, bf16: [tile][k][16 rows].
  // int8: byte tile*16*k + (k/4)*64 + (row%16)*4 + k%4, values -127...127.
  // int4: byte tile*8*k + (k/8)*64 + (row%16)*4 + k%4; k%8 < 4 in the low nibble, else in the high one;
  //       a nibble indexes `codebook`.
  const void *codes;
  const void *scales;       // int8: fp16 [tile][group][16]; int4: int8 [tile][group][16]; else NULL
  const void *superscales;  // int4: fp16 [tile][ceil(k/256)][16]; else NULL
  int8_t codebook[16];      // int4: -127...127
} cvar_matrix;

// Bytes of each stream of a matrix; 0 where the type has no such stream.
size_t cvar_codes_bytes(int32_t type, int32_t rows, int32_t cols);
size_t cvar_scales_bytes(int32_t type, int32_t rows, int32_t cols, int32_t group_size);
size_t cvar_superscales_bytes(int32_t type, int32_t rows, int32_t cols);
