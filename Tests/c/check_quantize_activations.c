#include "check_support.h"

typedef enum input_pattern {
  INPUT_RANDOM = 0,
  INPUT_ZERO = 1,
  INPUT_TIES = 2,   // multiples of half a step, so that halves round to even
  INPUT_TINY = 3,   // around CVAR_ACTIVATION_ZERO
  INPUT_HUGE = 4,   // near the largest float
  INPUT_NAN = 5,    // not a number and infinities: any code, but the same one everywhere, and the scale NaN
  INPUT_PATTERN_COUNT = 6,
} input_pattern;

static float random_input(input_pattern pattern, int32_t i, random_source *source) {
  float x = random_float(source);
  switch (pattern) {
    case INPUT_ZERO: return i % 2 == 0 ? 0.0f : -0.0f;
    case INPUT_TIES: return i % 16 == 3 ? 127.0f : (float)random_int(source, -253, 253) * 0.5f;
    case INPUT_TINY: return x * 0x1p-99f;
    case INPUT_HUGE: return x * 0x1.fffffep127f;
    case INPUT_NAN: return i % 7 == 2 ? NAN : i % 11 == 5 ? -INFINITY : x;
    default: return x;
  }
}

// Inputs [n][k] at stride k + 3, so that rows are not aligned.
static float *make_inputs(input_pattern pattern, int32_t n, int32_t k, random_source *source) {
  size_t count = (size_t)n * (size_t)(k + 3);
  float *x = allocate(count * sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = random_input(pattern, (int32_t)i, source);
  return x;
}

typedef struct outputs {
  int8_t *codes;
  float *scales;
  int32_t *sums;
} outputs;

static outputs quantize(const cvar_kernels *kernels, const float *x, int32_t n, int32_t k,
                        int32_t group_size) {
  size_t count = (size_t)n * (size_t)k, groups = count / (size_t)group_size;
  outputs out = {allocate_guarded(count), allocate_guarded(groups * 4),
                 allocate_guarded(groups * 4)};
  kernels->quantize_activations(x, k + 3, n, k, group_size, out.codes, out.scales, out.sums);
  return out;
}

static void release_outputs(outputs *out) {
  release_guarded(out->codes);
  release_guarded(out->scales);
  release_guarded(out->sums);
}

static void compare(cvar_isa isa, input_pattern pattern, int32_t n, int32_t k, int32_t group_size,
                    random_source *source, uint64_t seed, cvar_report *report) {
  float *x = make_inputs(pattern, n, k, source);
  outputs expected = quantize(cvar_kernels_for(CVAR_ISA_SCALAR), x, n, k, group_size);
  outputs found = quantize(cvar_kernels_for(isa), x, n, k, group_size);
  size_t count = (size_t)n * (size_t)k, groups = count / (size_t)group_size;
  ptrdiff_t code = first_difference(expected.codes, found.codes, count);
  ptrdiff_t scale = first_difference(expected.scales, found.scales, groups * 4);
  ptrdiff_t sum = first_difference(expected.sums, found.sums, groups * 4);
  if (code != PTRDIFF_MIN || scale != PTRDIFF_MIN || sum != PTRDIFF_MIN) {
    REPORT(report,
           "quantize_activations %s: group %d n %d k %d pattern %d seed %llu: first differing byte "
           "of codes %td, scales %td, sums %td",
           cvar_isa_name(isa), group_size, n, k, (int)pattern, (unsigned long long)seed, code,
           scale, sum);
  }
  release_outputs(&expected);
  release_outputs(&found);
  free(x);
}

static const int32_t group_sizes[] = {16, 32, 64, 128};

cvar_report cvar_check_quantize_activations(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int g = 0; g < COUNT(group_sizes); g++) {
    for (int32_t groups = 1; groups <= 3; groups++) {
      for (int pattern = 0; pattern < INPUT_PATTERN_COUNT; pattern++) {
        compare(isa, pattern, 3, groups * group_sizes[g], group_sizes[g], &source, seed, &report);
      }
    }
  }
  return report;
}

// The code is x * (127 / max) with two roundings, so before its own rounding it is off by at most
// 127 * 2 * 2^-24 of a step.
static void check_group(const float *x, int32_t group_size, const int8_t *codes, float scale,
                        int32_t sum, uint64_t seed, cvar_report *report) {
  double max = 0;
  for (int32_t i = 0; i < group_size; i++) max = fmax(max, fabs((double)x[i]));
  int is_zero = max < CVAR_ACTIVATION_ZERO;
  double step = is_zero ? 0 : max / 127;
  int32_t expected_sum = 0;
  if (!(fabs(scale - step) <= step * 0x1p-24)) {
    REPORT(report, "quantize_activations scalar: seed %llu: expected scale %.9g, found %.9g",
           (unsigned long long)seed, step, scale);
  }
  for (int32_t i = 0; i < group_size; i++) {
    double code = is_zero ? 0 : x[i] / step;
    expected_sum += codes[i];
    if (!(fabs(codes[i] - code) <= 0.5 + 254 * 0x1p-24) || codes[i] < -127) {
      REPORT(report, "quantize_activations scalar: seed %llu: expected code %.9g, found %d",
             (unsigned long long)seed, code, codes[i]);
    }
    int is_tie = code - floor(code) == 0.5;
    if (is_tie && max == 127 && codes[i] % 2 != 0) {
      REPORT(report, "quantize_activations scalar: seed %llu: %g rounds to odd %d",
             (unsigned long long)seed, code, codes[i]);
    }
  }
  if (sum != expected_sum) {
    REPORT(report, "quantize_activations scalar: seed %llu: expected sum %d, found %d",
           (unsigned long long)seed, expected_sum, sum);
  }
}

// A NaN anywhere in a group makes its scale NaN, wherever it stands among the others.
static void check_nan(int32_t group_size, cvar_report *report) {
  float *x = allocate((size_t)(group_size + 3) * sizeof *x);
  for (int32_t at = 0; at < group_size; at++) {
    for (int32_t i = 0; i < group_size; i++) x[i] = i == at ? -NAN : i % 5 == 0 ? INFINITY : (float)i;
    outputs out = quantize(cvar_kernels_for(CVAR_ISA_SCALAR), x, 1, group_size, group_size);
    if (!isnan(out.scales[0])) {
      REPORT(report, "quantize_activations scalar: a NaN at %d of %d gives scale %g", at, group_size,
             out.scales[0]);
    }
    release_outputs(&out);
  }
  free(x);
}

cvar_report cvar_check_quantize_activations_reference(uint64_t seed) {
  enum { N = 4, GROUPS = 3 };
  cvar_report report = {0};
  random_source source = {seed};
  for (int g = 0; g < COUNT(group_sizes); g++) {
    check_nan(group_sizes[g], &report);
    for (int pattern = 0; pattern < INPUT_NAN; pattern++) {
      int32_t group_size = group_sizes[g], k = GROUPS * group_size;
      float *x = make_inputs(pattern, N, k, &source);
      outputs out = quantize(cvar_kernels_for(CVAR_ISA_SCALAR), x, N, k, group_size);
      for (int32_t i = 0; i < N * GROUPS; i++) {
        const float *group = x + (ptrdiff_t)(i / GROUPS) * (k + 3) + i % GROUPS * group_size;
        check_group(group, group_size, out.codes + i * group_size, out.scales[i], out.sums[i], seed,
                    &report);
      }
      release_outputs(&out);
      free(x);
    }
  }
  return report;
}
