#pragma once
#include "check_support.h"

// What the random weights and activations look like.
typedef enum data_pattern {
  DATA_RANDOM = 0,
  DATA_EXTREME_CODES = 1,  // all codes +-127, so that sums are the largest
  DATA_ZERO_GROUPS = 2,    // every other activation and weight group is zero
  DATA_TINY_SCALES = 3,    // products of scales below the normal numbers
  DATA_PATTERN_COUNT = 4,
} data_pattern;

// Streams in blocks of exactly their size, so that a memory checker sees a read past one.
cvar_matrix make_quantized_matrix(int32_t type, int32_t rows, int32_t cols, int32_t group_size,
                                  data_pattern pattern, random_source *source);
cvar_matrix make_float_matrix(int32_t type, int32_t rows, int32_t cols, random_source *source);

// Brings the codebook of an int4 matrix into +-limit, both ends included. Kernels tell 31 and 63 from what is larger.
void limit_codebook(cvar_matrix *w, int32_t limit);
static const int32_t codebook_limits[] = {127, 31, 32, 63, 64};

void release_matrix(cvar_matrix *w);

// The integer weight and the scale by the rules of formats/packed_types.md, in double.
int weight_code(const cvar_matrix *w, int32_t row, int32_t col);
double weight_scale(const cvar_matrix *w, int32_t row, int32_t col);
double half_value(uint16_t half);

typedef struct quantized_activations {
  int8_t *codes;   // [n][k]
  float *scales;   // [n][groups]
  int32_t *sums;   // [n][groups]
} quantized_activations;

quantized_activations make_activations(int32_t n, int32_t k, int32_t group_size,
                                       data_pattern pattern, random_source *source);
void release_activations(quantized_activations *activations);

// Every quantized type with every group size it allows.
typedef struct quantized_type {
  int32_t type;
  int32_t group_size;
} quantized_type;

static const quantized_type quantized_types[] = {
    {CVAR_INT4, 16}, {CVAR_INT4, 32}, {CVAR_INT4, 64}, {CVAR_INT4, 128},
    {CVAR_INT8, 32}, {CVAR_INT8, 64}, {CVAR_INT8, 128},
};
