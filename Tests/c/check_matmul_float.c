#include "check_support.h"
#include "include/cvar_checks.h"

#include "cvar_math.h"

typedef struct product_case {
  int32_t rows, run, segments, n;
  int has_bias;
} product_case;

// Sizes around the register tiles (up to 4 weight tiles, 8 tokens) and convolution runs.
static const product_case cases[] = {
    {1, 1, 1, 1, 0},     {15, 3, 1, 2, 1},    {16, 7, 1, 3, 0},     {17, 64, 1, 4, 1},
    {33, 65, 1, 5, 0},   {48, 33, 3, 6, 1},   {64, 128, 1, 7, 1},   {65, 9, 3, 8, 0},
    {80, 130, 1, 9, 1},  {100, 40, 1, 12, 0}, {129, 17, 3, 13, 1},  {64, 31, 2, 16, 0},
    {31, 257, 1, 17, 1}, {128, 8, 5, 23, 1},  {160, 5, 1, 25, 0},
};

static const int32_t types[] = {CVAR_F32, CVAR_F16, CVAR_BF16};

typedef struct product {
  cvar_matrix w;
  float *x, *bias;
  ptrdiff_t token_stride, segment_stride;
  size_t y_stride;
} product;

static cvar_matrix make_weights(int32_t type, int32_t rows, int32_t cols, random_source *source) {
  cvar_matrix w = {.type = type, .rows = rows, .cols = cols};
  size_t count = (size_t)((rows + 15) / 16) * 16 * (size_t)cols;
  void *codes = allocate(count * 4);
  for (size_t i = 0; i < count; i++) {
    float x = random_float(source);
    if (type == CVAR_F32) ((float *)codes)[i] = x;
    if (type == CVAR_F16) ((uint16_t *)codes)[i] = cvar_f16_from_f32(i % 5 ? x : x * 0x1p-16f);
    if (type == CVAR_BF16) ((uint16_t *)codes)[i] = cvar_bf16_from_f32(x);
  }
  w.codes = codes;
  return w;
}

static product make_product(product_case c, int32_t type, random_source *source) {
  product p = {.w = make_weights(type, c.rows, c.run * c.segments, source)};
  p.segment_stride = c.run + 5;
  p.token_stride = c.segments > 1 ? 3 : c.run + 1;  // runs of convolutions overlap
  p.y_stride = (size_t)c.rows + 3;
  size_t count = (size_t)(c.segments * p.segment_stride + c.n * p.token_stride + c.run);
  p.x = allocate(count * sizeof(float));
  for (size_t i = 0; i < count; i++) p.x[i] = random_float(source);
  if (c.has_bias) {
    p.bias = allocate((size_t)c.rows * sizeof(float));
    for (int32_t i = 0; i < c.rows; i++) p.bias[i] = random_float(source);
  }
  return p;
}

static void release_product(product *p) {
  free((void *)p->w.codes);
  free(p->x);
  free(p->bias);
}

// All tiles in two calls, as two threads would share them.
static float *multiply(cvar_isa isa, product_case c, const product *p) {
  float *y = allocate_guarded((size_t)c.n * p->y_stride * sizeof(float));
  int32_t tiles = (c.rows + 15) / 16, middle = tiles / 3;
  const cvar_kernels *kernels = cvar_kernels_for(isa);
  kernels->matmul_float(&p->w, p->x, p->token_stride, c.segments, p->segment_stride, c.n, p->bias,
                        y, (ptrdiff_t)p->y_stride, 0, middle);
  kernels->matmul_float(&p->w, p->x, p->token_stride, c.segments, p->segment_stride, c.n, p->bias,
                        y, (ptrdiff_t)p->y_stride, middle, tiles);
  return y;
}

cvar_report cvar_check_matmul_float(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int i = 0; i < COUNT(cases) * COUNT(types); i++) {
    product_case c = cases[i / COUNT(types)];
    product p = make_product(c, types[i % COUNT(types)], &source);
    float *expected = multiply(CVAR_ISA_SCALAR, c, &p), *found = multiply(isa, c, &p);
    size_t bytes = (size_t)c.n * p.y_stride * sizeof(float);
    ptrdiff_t difference = first_difference(expected, found, bytes);
    if (difference != PTRDIFF_MIN) {
      REPORT(&report, "matmul_float %s: type %d rows %d run %d segments %d n %d seed %llu: "
             "byte %td",
             cvar_isa_name(isa), types[i % COUNT(types)], c.rows, c.run, c.segments, c.n,
             (unsigned long long)seed, difference);
    }
    release_guarded(expected);
    release_guarded(found);
    release_product(&p);
  }
  return report;
}

static double weight_value(const cvar_matrix *w, int32_t row, int32_t k) {
  size_t index = ((size_t)(row / 16) * (size_t)w->cols + (size_t)k) * 16 + (size_t)(row % 16);
  if (w->type == CVAR_F32) return ((const float *)w->codes)[index];
  if (w->type == CVAR_F16) return cvar_f32_from_f16(((const uint16_t *)w->codes)[index]);
  return cvar_f32_from_bf16(((const uint16_t *)w->codes)[index]);
}

// One rounding for each of k fused steps and one for the bias: (k + 1) 2^-24 sum |w x|.
static void check_output(product_case c, const product *p, const float *y, int32_t t, int32_t row,
                         cvar_report *report) {
  double sum = p->bias ? p->bias[row] : 0, magnitude = fabs(sum);
  for (int32_t k = 0; k < p->w.cols; k++) {
    ptrdiff_t at = t * p->token_stride + k / c.run * p->segment_stride + k % c.run;
    double term = weight_value(&p->w, row, k) * p->x[at];
    sum += term;
    magnitude += fabs(term);
  }
  double found = y[(size_t)t * p->y_stride + (size_t)row];
  if (!(fabs(found - sum) <= (p->w.cols + 1) * 0x1p-24 * magnitude)) {
    REPORT(report, "matmul_float scalar: rows %d k %d token %d row %d: expected %.9g, found %.9g",
           c.rows, p->w.cols, t, row, sum, found);
  }
}

cvar_report cvar_check_matmul_float_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int i = 0; i < COUNT(cases) * COUNT(types); i++) {
    product_case c = cases[i / COUNT(types)];
    product p = make_product(c, types[i % COUNT(types)], &source);
    float *y = multiply(CVAR_ISA_SCALAR, c, &p);
    for (int32_t t = 0; t < c.n; t++) {
      for (int32_t row = 0; row < c.rows; row++) check_output(c, &p, y, t, row, &report);
    }
    release_guarded(y);
    release_product(&p);
  }
  return report;
}
