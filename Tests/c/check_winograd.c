#include "check_support.h"
#include "include/cvar_checks.h"

#include "cvar_math.h"

enum { PATCH = CVAR_WINOGRAD_PATCH, POSITIONS = CVAR_WINOGRAD_POSITIONS };

typedef struct convolution_case {
  int32_t channels, outputs, height, width, type, has_bias;
} convolution_case;

// Sizes around the lanes (16) and the patches (4), whole and cut ones on either axis.
static const convolution_case cases[] = {
    {1, 1, 1, 1, CVAR_F32, 0},      {16, 16, 4, 4, CVAR_F32, 1},   {3, 17, 5, 6, CVAR_F16, 1},
    {17, 33, 9, 7, CVAR_BF16, 0},   {15, 15, 2, 3, CVAR_F32, 1},   {32, 16, 3, 18, CVAR_F16, 0},
    {33, 64, 6, 13, CVAR_F32, 1},   {130, 20, 8, 9, CVAR_BF16, 1}, {64, 48, 11, 40, CVAR_F16, 1},
    {48, 130, 7, 5, CVAR_F32, 0},
};

// All buffers of a convolution; those that a kernel writes are guarded.
typedef struct convolution {
  convolution_case c;
  cvar_matrix w;
  float *x, *bias;
  int32_t tiles, patches;  // patches of a row
  ptrdiff_t position_stride, y_stride;
  float *u, *v, *m, *y;  // v, m: one row of patches after the other
} convolution;

static int32_t patch_rows(const convolution *p) { return (p->c.height + PATCH - 1) / PATCH; }
static size_t u_bytes(const convolution *p) {
  return (size_t)POSITIONS * 64 * (size_t)(p->tiles * p->c.channels);
}
// Of v or m of one row of patches.
static size_t row_floats(const convolution *p) {
  return (size_t)p->position_stride * (POSITIONS - 1) +
         (size_t)p->patches * (size_t)(p->c.channels > p->c.outputs ? p->c.channels : p->c.outputs);
}
static size_t row_bytes(const convolution *p) {
  return (size_t)patch_rows(p) * row_floats(p) * sizeof(float);
}
static size_t y_bytes(const convolution *p) {
  return (size_t)p->c.height * (size_t)p->y_stride * sizeof(float);
}

static convolution make_convolution(convolution_case c, random_source *source) {
  convolution p = {.c = c, .tiles = (c.outputs + 15) / 16, .patches = (c.width + PATCH - 1) / PATCH};
  p.w = (cvar_matrix){.type = c.type, .rows = c.outputs, .cols = 9 * c.channels};
  size_t weights = (size_t)p.tiles * 16 * (size_t)p.w.cols;
  void *codes = allocate(weights * 4);
  for (size_t i = 0; i < weights; i++) {
    float weight = random_float(source);
    size_t row = i / ((size_t)p.w.cols * 16) * 16 + i % 16;
    if (row >= (size_t)c.outputs) weight = 0;
    if (c.type == CVAR_F32) ((float *)codes)[i] = weight;
    if (c.type == CVAR_F16) ((uint16_t *)codes)[i] = cvar_f16_from_f32(weight);
    if (c.type == CVAR_BF16) ((uint16_t *)codes)[i] = cvar_bf16_from_f32(weight);
  }
  p.w.codes = codes;
  size_t count = (size_t)(c.height + 2) * (size_t)(c.width + 2) * (size_t)c.channels;
  p.x = allocate(count * sizeof(float));
  for (size_t i = 0; i < count; i++) p.x[i] = random_float(source);
  if (c.has_bias) {
    p.bias = allocate((size_t)c.outputs * sizeof(float));
    for (int32_t i = 0; i < c.outputs; i++) p.bias[i] = random_float(source);
  }
  p.position_stride = p.patches * (c.channels > c.outputs ? c.channels : c.outputs) + 5;
  p.y_stride = c.width * c.outputs + 3;
  return p;
}

// Weights in two calls, as two threads would share them; patches of a row in two calls too.
static void convolve(cvar_isa isa, convolution *p) {
  const cvar_kernels *kernels = cvar_kernels_for(isa);
  const int32_t channels = p->c.channels, outputs = p->c.outputs, middle = p->patches / 2;
  p->u = allocate_guarded(u_bytes(p));
  p->v = allocate_guarded(row_bytes(p));
  p->m = allocate_guarded(row_bytes(p));
  p->y = allocate_guarded(y_bytes(p));
  kernels->winograd_weights(&p->w, p->u, 0, p->tiles / 2);
  kernels->winograd_weights(&p->w, p->u, p->tiles / 2, p->tiles);
  const ptrdiff_t x_stride = (ptrdiff_t)(p->c.width + 2) * channels;
  for (int32_t row = 0; row < patch_rows(p); row++) {
    float *v = p->v + (size_t)row * row_floats(p), *m = p->m + (size_t)row * row_floats(p);
    const float *x = p->x + row * PATCH * x_stride;
    for (int32_t half = 0; half < 2; half++) {
      const int32_t first = half ? middle : 0, count = half ? p->patches - middle : middle;
      kernels->winograd_input(x + first * PATCH * channels, x_stride, channels,
                              p->c.height + 2 - row * PATCH, p->c.width + 2 - first * PATCH, count,
                              v + first * channels, p->position_stride);
    }
    for (int32_t i = 0; i < POSITIONS; i++) {
      cvar_matrix w = {.type = CVAR_F32, .rows = outputs, .cols = channels};
      w.codes = p->u + (size_t)i * 16 * (size_t)(p->tiles * channels);
      kernels->matmul_float(&w, v + i * p->position_stride, channels, 1, 0, p->patches, NULL,
                            m + i * p->position_stride, outputs, 0, p->tiles);
    }
    for (int32_t half = 0; half < 2; half++) {
      const int32_t first = half ? middle : 0, count = half ? p->patches - middle : middle;
      kernels->winograd_output(m + first * outputs, p->position_stride, outputs, count, p->bias,
                               p->c.height - row * PATCH, p->c.width - first * PATCH,
                               p->y + row * PATCH * p->y_stride + first * PATCH * outputs,
                               p->y_stride);
    }
  }
}

static void release_results(convolution *p) {
  release_guarded(p->u);
  release_guarded(p->v);
  release_guarded(p->m);
  release_guarded(p->y);
}

static void release_convolution(convolution *p) {
  release_results(p);
  free((void *)p->w.codes);
  free(p->x);
  free(p->bias);
}

static void compare(const char *what, cvar_isa isa, const convolution *p, const float *expected,
                    const float *found, size_t bytes, cvar_report *report) {
  ptrdiff_t difference = first_difference(expected, found, bytes);
  if (difference == PTRDIFF_MIN) return;
  REPORT(report, "%s %s: type %d channels %d outputs %d map %dx%d: byte %td", what,
         cvar_isa_name(isa), p->c.type, p->c.channels, p->c.outputs, p->c.height, p->c.width,
         difference);
}

cvar_report cvar_check_winograd(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int i = 0; i < COUNT(cases); i++) {
    convolution expected = make_convolution(cases[i], &source), found = expected;
    convolve(CVAR_ISA_SCALAR, &expected);
    convolve(isa, &found);
    compare("winograd_weights", isa, &found, expected.u, found.u, u_bytes(&found), &report);
    compare("winograd_input", isa, &found, expected.v, found.v, row_bytes(&found), &report);
    compare("winograd products", isa, &found, expected.m, found.m, row_bytes(&found), &report);
    compare("winograd_output", isa, &found, expected.y, found.y, y_bytes(&found), &report);
    release_results(&found);
    release_convolution(&expected);
  }
  return report;
}

// The matrices of the algorithm for the points 0, +-p, +-q and infinity, from their definition: B' holds the
// coefficients of the product of all (x - point) but one's own, G the powers of the points over that product's value,
// A' the powers of the points.
static const double points[5] = {0, 0.625, -0.625, 1.5, -1.5};

static void multiply_factor(double polynomial[6], double root) {
  for (int i = 5; i > 0; i--) polynomial[i] = polynomial[i - 1] - root * polynomial[i];
  polynomial[0] *= -root;
}

static void make_matrices(double b[6][6], double g[6][3], double a[4][6]) {
  for (int i = 0; i < 6; i++) {
    double polynomial[6] = {1}, value = 1;
    for (int j = 0; j < 5; j++) {
      if (j == i) continue;
      multiply_factor(polynomial, points[j]);
      if (i < 5) value *= points[i] - points[j];
    }
    for (int j = 0; j < 6; j++) b[i][j] = polynomial[j];
    for (int j = 0; j < 3; j++) g[i][j] = i < 5 ? pow(points[i], j) / value : j == 2;
    for (int j = 0; j < 4; j++) a[j][i] = i < 5 ? pow(points[i], j) : j == 3;
  }
}

// What an output would be if no term had a sign: |A'| [ (|G| |g| |G'|) (|B'| |d| |B|) ] |A|, of one channel.
static double magnitude(const double weights[9], const double d[36], int32_t y, int32_t x) {
  double b[6][6], g[6][3], a[4][6], sum = 0;
  make_matrices(b, g, a);
  for (int i = 0; i < 6; i++) {
    for (int j = 0; j < 6; j++) {
      double weight = 0, input = 0;
      for (int k = 0; k < 9; k++) weight += fabs(g[i][k / 3] * g[j][k % 3] * weights[k]);
      for (int k = 0; k < 36; k++) input += fabs(b[i][k / 6] * b[j][k % 6] * d[k]);
      sum += fabs(a[y][i] * a[x][j]) * weight * input;
    }
  }
  return sum;
}

static double weight_value(const convolution *p, int32_t output, int32_t k) {
  size_t index = (size_t)(output / 16 * p->w.cols + k) * 16 + (size_t)(output % 16);
  if (p->w.type == CVAR_F32) return ((const float *)p->w.codes)[index];
  uint16_t half = ((const uint16_t *)p->w.codes)[index];
  return p->w.type == CVAR_F16 ? cvar_f32_from_f16(half) : cvar_f32_from_bf16(half);
}

// A term passes at most 3 roundings on each axis of the input, 4 (constant included) of the weights, 4 of the output,
// one for each channel's fused step, one for the bias: (channels + 23) 2^-24 times the terms' magnitudes.
static void check_output(const convolution *p, int32_t y, int32_t x, int32_t output,
                         cvar_report *report) {
  double sum = p->bias ? p->bias[output] : 0, terms = fabs(sum);
  const int32_t first_y = y / PATCH * PATCH, first_x = x / PATCH * PATCH;
  for (int32_t channel = 0; channel < p->c.channels; channel++) {
    double weights[9], d[36];
    for (int k = 0; k < 9; k++) weights[k] = weight_value(p, output, k * p->c.channels + channel);
    for (int k = 0; k < 36; k++) {
      int32_t row = first_y + k / 6, col = first_x + k % 6, stride = p->c.width + 2;
      int is_there = row < p->c.height + 2 && col < stride;
      d[k] = is_there ? p->x[(row * stride + col) * p->c.channels + channel] : 0;
    }
    for (int k = 0; k < 9; k++) {
      sum += weights[k] * d[(y - first_y + k / 3) * 6 + x - first_x + k % 3];
    }
    terms += magnitude(weights, d, y - first_y, x - first_x);
  }
  double found = p->y[y * p->y_stride + x * p->c.outputs + output];
  if (!(fabs(found - sum) <= (p->c.channels + 23) * 0x1p-24 * terms)) {
    REPORT(report, "winograd scalar: channels %d map %dx%d pixel (%d, %d) output %d: "
           "expected %.9g, found %.9g",
           p->c.channels, p->c.height, p->c.width, y, x, output, sum, found);
  }
}

cvar_report cvar_check_winograd_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int i = 0; i < COUNT(cases); i++) {
    convolution p = make_convolution(cases[i], &source);
    convolve(CVAR_ISA_SCALAR, &p);
    // The bound costs far more than the convolution: every pixel, but few outputs of each.
    for (int32_t pixel = 0; pixel < p.c.height * p.c.width; pixel++) {
      int32_t output = random_int(&source, 0, p.c.outputs - 1);
      check_output(&p, pixel / p.c.width, pixel % p.c.width, output, &report);
    }
    release_convolution(&p);
  }
  return report;
}
