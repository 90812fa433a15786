#include "check_matrix.h"

enum { ROWS = 35, COLS = 384 };

static cvar_matrix make_matrix(int32_t type, int32_t group_size, random_source *source) {
  if (group_size == 0) return make_float_matrix(type, ROWS, COLS, source);
  return make_quantized_matrix(type, ROWS, COLS, group_size, DATA_RANDOM, source);
}

static const quantized_type types[] = {
    {CVAR_F32, 0},   {CVAR_F16, 0},   {CVAR_BF16, 0},  {CVAR_INT4, 16}, {CVAR_INT4, 32},
    {CVAR_INT4, 64}, {CVAR_INT4, 128}, {CVAR_INT8, 32}, {CVAR_INT8, 64}, {CVAR_INT8, 128},
};

cvar_report cvar_check_gather_row(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int t = 0; t < COUNT(types); t++) {
    cvar_matrix w = make_matrix(types[t].type, types[t].group_size, &source);
    float *expected = allocate_guarded(COLS * 4), *found = allocate_guarded(COLS * 4);
    for (int32_t row = 0; row < ROWS; row++) {
      cvar_kernels_for(CVAR_ISA_SCALAR)->gather_row(&w, row, expected);
      cvar_kernels_for(isa)->gather_row(&w, row, found);
      if (first_difference(expected, found, COLS * 4) != PTRDIFF_MIN) {
        REPORT(&report, "gather_row %s: type %d group %d row %d seed %llu", cvar_isa_name(isa),
               w.type, w.group_size, row, (unsigned long long)seed);
      }
    }
    release_guarded(expected);
    release_guarded(found);
    release_matrix(&w);
  }
  return report;
}

// Exact but for int4, whose 27-bit product rounds once.
static float expected_value(const cvar_matrix *w, int32_t row, int32_t col) {
  size_t index = ((size_t)(row / 16) * (size_t)w->cols + (size_t)col) * 16 + (size_t)(row % 16);
  switch (w->type) {
    case CVAR_F32: return ((const float *)w->codes)[index];
    case CVAR_F16: return (float)half_value(((const uint16_t *)w->codes)[index]);
    case CVAR_BF16: {
      uint32_t bits = (uint32_t)((const uint16_t *)w->codes)[index] << 16;
      float value;
      memcpy(&value, &bits, sizeof value);
      return value;
    }
    default: return (float)(weight_code(w, row, col) * weight_scale(w, row, col));
  }
}

cvar_report cvar_check_gather_row_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  float out[COLS];
  for (int t = 0; t < COUNT(types); t++) {
    cvar_matrix w = make_matrix(types[t].type, types[t].group_size, &source);
    for (int32_t row = 0; row < ROWS; row++) {
      cvar_kernels_for(CVAR_ISA_SCALAR)->gather_row(&w, row, out);
      for (int32_t col = 0; col < COLS; col++) {
        float expected = expected_value(&w, row, col);
        if (expected != out[col]) {
          REPORT(&report,
                 "gather_row scalar: type %d group %d row %d col %d: expected %a, found %a", w.type,
                 w.group_size, row, col, expected, out[col]);
        }
      }
    }
    release_matrix(&w);
  }
  return report;
}
