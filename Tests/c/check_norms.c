#include "check_support.h"
#include "include/cvar_checks.h"

enum { N = 3, MAX_COLS = 2049 };

static const int32_t widths[] = {1, 7, 8, 15, 16, 17, 31, 33, 80, 128, 1000, 2048, 2049};

typedef enum norm {
  RMS_NORM = 0,
  LAYER_NORM = 1,
  LAYER_NORM_WEIGHT = 2,
  LAYER_NORM_BIAS = 3,
  LAYER_NORM_PLAIN = 4,
  NORMALIZE_HEADS = 5,
  NORMALIZE_HEADS_PLAIN = 6,
  NORM_COUNT = 7,
} norm;

typedef struct norm_inputs {
  float x[N * (MAX_COLS + 3)];
  float weight[MAX_COLS];
  float bias[MAX_COLS];
} norm_inputs;

static norm_inputs *make_inputs(random_source *source) {
  norm_inputs *in = allocate(sizeof *in);
  for (int i = 0; i < COUNT(in->x); i++) in->x[i] = random_float(source) * 3 + 0.5f;
  for (int i = 0; i < MAX_COLS; i++) {
    in->weight[i] = random_float(source);
    in->bias[i] = random_float(source);
  }
  return in;
}

static ptrdiff_t stride_of(int32_t cols) { return cols + 3; }

// Normalizes N rows, the heads in place as if each row were one head after `cols` floats of
// another.
static float *run(cvar_isa isa, norm kind, const norm_inputs *in, int32_t cols) {
  const cvar_kernels *kernels = cvar_kernels_for(isa);
  ptrdiff_t stride = stride_of(cols);
  size_t bytes = (size_t)(N * stride) * sizeof(float);
  float *y = allocate_guarded(bytes);
  const float *weight = kind == LAYER_NORM || kind == LAYER_NORM_WEIGHT ? in->weight : NULL;
  const float *bias = kind == LAYER_NORM || kind == LAYER_NORM_BIAS ? in->bias : NULL;
  if (kind == RMS_NORM) {
    kernels->rms_norm(in->x, stride, N, cols, in->weight, 1e-6f, y, stride);
  } else if (kind < NORMALIZE_HEADS) {
    kernels->layer_norm(in->x, stride, N, cols, weight, bias, 1e-6f, y, stride);
  } else {
    memcpy(y, in->x, bytes);
    kernels->normalize_heads(y, stride, N, 1, cols, kind == NORMALIZE_HEADS ? in->weight : NULL);
  }
  return y;
}

cvar_report cvar_check_norms(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  norm_inputs *in = make_inputs(&source);
  for (int i = 0; i < COUNT(widths) * NORM_COUNT; i++) {
    int32_t cols = widths[i / NORM_COUNT];
    float *expected = run(CVAR_ISA_SCALAR, i % NORM_COUNT, in, cols);
    float *found = run(isa, i % NORM_COUNT, in, cols);
    ptrdiff_t difference =
        first_difference(expected, found, (size_t)(N * stride_of(cols)) * sizeof(float));
    if (difference != PTRDIFF_MIN) {
      REPORT(&report, "norm %d %s: cols %d seed %llu: byte %td", i % NORM_COUNT, cvar_isa_name(isa),
             cols, (unsigned long long)seed, difference);
    }
    release_guarded(expected);
    release_guarded(found);
  }
  free(in);
  return report;
}

// With u = 2^-24 and s = cols / 16 + 6 steps on the way to a sum of 16 partials: the mean is off by
// s u max|x|, and so is each deviation d, up to its own rounding; the sum of squares is off by s u
// relatively, and by 2 error(d) / sigma through its terms. A few roundings follow.
static void check_row(norm kind, const norm_inputs *in, const float *x, const float *y,
                      int32_t cols, cvar_report *report) {
  const double u = 0x1p-24, steps = cols / 16.0 + 6;
  double mean = 0, square = 0, largest = 0;
  int is_layer_norm = kind >= LAYER_NORM && kind <= LAYER_NORM_PLAIN;
  for (int32_t i = 0; i < cols; i++) {
    mean += is_layer_norm ? x[i] / (double)cols : 0;
    largest = fmax(largest, fabs(x[i]));
  }
  for (int32_t i = 0; i < cols; i++) square += (x[i] - mean) * (x[i] - mean);
  double sigma = kind >= NORMALIZE_HEADS ? fmax(sqrt(square), 1e-12) : sqrt(square / cols + 1e-6f);
  double deviation_error = is_layer_norm ? (steps + 2) * u * largest : 0;
  for (int32_t i = 0; i < cols; i++) {
    double weight = kind == RMS_NORM || kind == LAYER_NORM || kind == LAYER_NORM_WEIGHT
                        ? in->weight[i]
                        : kind == NORMALIZE_HEADS ? in->weight[0] : 1;
    double bias = kind == LAYER_NORM || kind == LAYER_NORM_BIAS ? in->bias[i] : 0;
    double scaled = (x[i] - mean) / sigma * weight;
    double bound = fabs(weight) / sigma * deviation_error +
                   fabs(scaled) * (deviation_error / sigma + (steps + 6) * u) +
                   2 * u * (fabs(scaled) + fabs(bias));
    if (!(fabs(y[i] - (scaled + bias)) <= bound)) {
      REPORT(report, "norm %d scalar: cols %d column %d: expected %.9g, found %.9g, bound %.3g",
             kind, cols, i, scaled + bias, y[i], bound);
    }
  }
}

cvar_report cvar_check_norms_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  norm_inputs *in = make_inputs(&source);
  for (int i = 0; i < COUNT(widths) * NORM_COUNT; i++) {
    int32_t cols = widths[i / NORM_COUNT];
    ptrdiff_t stride = stride_of(cols);
    float *y = run(CVAR_ISA_SCALAR, i % NORM_COUNT, in, cols);
    for (int32_t t = 0; t < N; t++) {
      check_row(i % NORM_COUNT, in, in->x + t * stride, y + t * stride, cols, &report);
    }
    release_guarded(y);
  }
  free(in);
  return report;
}
