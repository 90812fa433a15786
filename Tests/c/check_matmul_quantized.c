#include "check_matrix.h"

// One product: its sizes, its data and where it writes.
typedef struct product {
  cvar_matrix w;
  quantized_activations x;
  float *bias;  // NULL for every other product
  int32_t n;
  ptrdiff_t y_stride;
  int32_t tile_begin, tile_end;
} product;

static product make_product(quantized_type type, int32_t n, int32_t rows, int32_t k,
                            data_pattern pattern, int has_bias, random_source *source) {
  product p = {.n = n, .y_stride = rows + 5, .tile_end = (rows + 15) / 16};
  p.w = make_quantized_matrix(type.type, rows, k, type.group_size, pattern, source);
  p.x = make_activations(n, k, type.group_size, pattern, source);
  if (has_bias) {
    p.bias = allocate((size_t)rows * sizeof *p.bias);
    for (int32_t row = 0; row < rows; row++) p.bias[row] = random_float(source);
  }
  return p;
}

static void release_product(product *p) {
  release_matrix(&p->w);
  release_activations(&p->x);
  free(p->bias);
}

static void multiply(const cvar_kernels *kernels, const product *p, float *y) {
  kernels->matmul_quantized(&p->w, p->x.codes, p->x.scales, p->x.sums, p->n, p->bias, y,
                            p->y_stride, p->tile_begin, p->tile_end);
}

static void compare_product(cvar_isa isa, const product *p, data_pattern pattern, uint64_t seed,
                            cvar_report *report) {
  size_t bytes = (size_t)p->n * (size_t)p->y_stride * sizeof(float);
  float *expected = allocate_guarded(bytes), *found = allocate_guarded(bytes);
  multiply(cvar_kernels_for(CVAR_ISA_SCALAR), p, expected);
  multiply(cvar_kernels_for(isa), p, found);
  ptrdiff_t offset = first_difference(expected, found, bytes);
  if (offset != PTRDIFF_MIN) {
    ptrdiff_t index = offset / 4;
    REPORT(report,
           "matmul_quantized %s: type %d group %d n %d rows %d k %d tiles %d..<%d pattern %d "
           "codebook to %d seed %llu: token %td row %td: expected %a, found %a",
           cvar_isa_name(isa), p->w.type, p->w.group_size, p->n, p->w.rows, p->w.cols,
           p->tile_begin, p->tile_end, (int)pattern, p->w.codebook[15], (unsigned long long)seed,
           index / p->y_stride, index % p->y_stride, expected[index], found[index]);
  }
  release_guarded(expected);
  release_guarded(found);
}

cvar_report cvar_check_matmul_quantized(cvar_isa isa, uint64_t seed) {
  static const int32_t token_counts[] = {1, 2, 3, 7, 8, 16, 17, 37};
  static const int32_t row_counts[] = {1, 15, 16, 17, 48};
  static const int32_t col_counts[] = {16, 32, 64, 128, 256, 288, 384, 1152};
  cvar_report report = {0};
  random_source source = {seed};
  int pattern = 0;
  for (int t = 0; t < COUNT(quantized_types); t++) {
    for (int c = 0; c < COUNT(col_counts); c++) {
      if (col_counts[c] % quantized_types[t].group_size != 0) continue;
      for (int i = 0; i < COUNT(token_counts); i++) {
        for (int r = 0; r < COUNT(row_counts); r++, pattern = (pattern + 1) % DATA_PATTERN_COUNT) {
          product p = make_product(quantized_types[t], token_counts[i], row_counts[r],
                                   col_counts[c], pattern, (i + r) % 2, &source);
          limit_codebook(&p.w, codebook_limits[(c + i + r) % COUNT(codebook_limits)]);
          compare_product(isa, &p, pattern, seed, &report);
          if (row_counts[r] == 48) {
            p.tile_begin = 1;
            p.tile_end = 2;
            compare_product(isa, &p, pattern, seed, &report);
          }
          release_product(&p);
        }
      }
    }
  }
  return report;
}

// Each product weight_scale * activation_scale carries at most u = 2^-24 of relative error (or
// 2^-150, where it is subnormal), and each of the `groups` fmas and the addition of the bias rounds
// once more, so with s = sum |isum * scales| + |bias|:
// |error| <= (groups + 2) * u * s * 1.01 + sum |isum| * 2^-149.
static void check_element(const product *p, int32_t token, int32_t row, float found,
                          uint64_t seed, cvar_report *report) {
  int32_t k = p->w.cols, group_size = p->w.group_size, groups = k / group_size;
  double sum = p->bias ? p->bias[row] : 0;
  double magnitude = fabs(sum), integer_magnitude = 0;
  for (int32_t group = 0; group < groups; group++) {
    double integer = 0;
    for (int32_t col = group * group_size; col < (group + 1) * group_size; col++) {
      integer += weight_code(&p->w, row, col) * p->x.codes[(ptrdiff_t)token * k + col];
    }
    double scale = weight_scale(&p->w, row, group * group_size) *
                   p->x.scales[(ptrdiff_t)token * groups + group];
    sum += integer * scale;
    magnitude += fabs(integer * scale);
    integer_magnitude += fabs(integer);
  }
  double bound = (groups + 2) * 0x1p-24 * 1.01 * magnitude + integer_magnitude * 0x1p-149;
  if (!(fabs(found - sum) <= bound)) {
    REPORT(report,
           "matmul_quantized scalar: type %d group %d n %d rows %d k %d seed %llu: token %d "
           "row %d: expected %.9g +- %.3g, found %.9g",
           p->w.type, group_size, p->n, p->w.rows, k, (unsigned long long)seed, token, row, sum,
           bound, found);
  }
}

cvar_report cvar_check_matmul_quantized_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int t = 0; t < COUNT(quantized_types); t++) {
    for (int pattern = 0; pattern < DATA_PATTERN_COUNT; pattern++) {
      product p = make_product(quantized_types[t], 3, 17, 384, pattern, pattern % 2, &source);
      float *y = allocate((size_t)p.n * (size_t)p.y_stride * sizeof *y);
      multiply(cvar_kernels_for(CVAR_ISA_SCALAR), &p, y);
      for (int32_t token = 0; token < p.n; token++) {
        for (int32_t row = 0; row < p.w.rows; row++) {
          check_element(&p, token, row, y[token * p.y_stride + row], seed, &report);
        }
      }
      free(y);
      release_product(&p);
    }
  }
  return report;
}
