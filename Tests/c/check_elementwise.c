#include "check_support.h"
#include "include/cvar_checks.h"

enum { ROWS = 5, MAX_COUNT = 300 };

typedef enum operation {
  SILU,
  QUICK_GELU,
  GELU_ERF,
  GELU_TANH,
  SILU_MULTIPLY,
  ADD,
  ADD_SCALED,
  ROPE_HALF,
  ROPE_INTERLEAVED,
  CHANNEL_AFFINE,
  CHANNEL_AFFINE_SILU,
  OPERATION_COUNT,
} operation;

static const char *const operation_names[] = {
    "silu",       "quick_gelu", "gelu_erf",         "gelu_tanh",      "silu_multiply",       "add",
    "add_scaled", "rope_half",  "rope_interleaved", "channel_affine", "channel_affine silu",
};

// Counts are even, for the rotations, but for the odd ones that only the others get.
static const int32_t counts[] = {2, 8, 14, 16, 18, 30, 34, 64, 80, 128, 130, 300, 1, 7, 15, 17, 33};

static int is_rotation(operation op) { return op == ROPE_HALF || op == ROPE_INTERLEAVED; }

static float pick(int i, random_source *source) {
  static const float special[] = {
      0.0f, -0.0f, 0x1p-149f, -0x1p-140f, 88.7f, -88.7f, 89.5f, -104.5f, 0x1.fffffep127f,
      -0x1.fffffep127f, 1e-20f, -1e18f, 0.925f, 0.625f, -4.0f,
  };
  if (i % 9 == 4) return special[random_int(source, 0, COUNT(special) - 1)];
  return random_float(source) * (i % 3 == 0 ? 100.0f : 4.0f);
}

typedef struct operands {
  float x[ROWS * MAX_COUNT], a[ROWS * MAX_COUNT], b[ROWS * MAX_COUNT];
} operands;

static operands *make_operands(int is_moderate, random_source *source) {
  operands *in = allocate(sizeof *in);
  for (int i = 0; i < ROWS * MAX_COUNT; i++) {
    in->x[i] = is_moderate ? random_float(source) : pick(i, source);
    in->a[i] = random_float(source);
    in->b[i] = random_float(source);
  }
  return in;
}

// ROWS rows of `count`; what works on flat arrays gets them as one. The result is in place of a
// copy of x, or beside it.
static float *run(cvar_isa isa, operation op, const operands *in, int32_t count, int in_place) {
  const cvar_kernels *kernels = cvar_kernels_for(isa);
  size_t flat = (size_t)ROWS * (size_t)count;
  float *y = allocate_guarded(flat * sizeof(float));
  int works_in_place = in_place || op == ADD || op == ADD_SCALED || is_rotation(op);
  const float *x = works_in_place ? memcpy(y, in->x, flat * sizeof(float)) : in->x;
  switch (op) {
    case SILU: kernels->silu(x, y, flat); break;
    case QUICK_GELU: kernels->quick_gelu(x, y, flat); break;
    case GELU_ERF: kernels->gelu_erf(x, y, flat); break;
    case GELU_TANH: kernels->gelu_tanh(x, y, flat); break;
    case SILU_MULTIPLY: kernels->silu_multiply(x, in->a, y, flat); break;
    case ADD: kernels->add(y, in->a, flat); break;
    case ADD_SCALED: kernels->add_scaled(y, count, in->a, count, ROWS, count, in->b); break;
    case ROPE_HALF: kernels->rope_half(y, count, ROWS, 1, count, in->a, in->b); break;
    case ROPE_INTERLEAVED: kernels->rope_interleaved(y, count, ROWS, 1, count, in->a, in->b); break;
    default:
      kernels->channel_affine(x, ROWS, count, in->a, in->b, op == CHANNEL_AFFINE_SILU, y);
  }
  return y;
}

static void check_channel_sums(cvar_isa isa, const operands *in, int32_t count,
                               cvar_report *report) {
  double sums[2][2 * MAX_COUNT];
  for (int side = 0; side < 2; side++) {
    for (int i = 0; i < 2 * MAX_COUNT; i++) sums[side][i] = i;
    const cvar_kernels *kernels = cvar_kernels_for(side ? isa : CVAR_ISA_SCALAR);
    kernels->channel_sums(in->x, ROWS, count, sums[side], sums[side] + count);
  }
  if (memcmp(sums[0], sums[1], sizeof sums[0]) != 0) {
    REPORT(report, "channel_sums %s: channels %d", cvar_isa_name(isa), count);
  }
}

cvar_report cvar_check_elementwise(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int c = 0; c < COUNT(counts); c++) {
    operands *in = make_operands(0, &source);
    for (int i = 0; i < OPERATION_COUNT * 2; i++) {
      operation op = (operation)(i / 2);
      if (is_rotation(op) && counts[c] % 2 != 0) continue;
      float *expected = run(CVAR_ISA_SCALAR, op, in, counts[c], i % 2);
      float *found = run(isa, op, in, counts[c], i % 2);
      size_t bytes = (size_t)(ROWS * counts[c]) * sizeof(float);
      ptrdiff_t difference = first_difference(expected, found, bytes);
      if (difference != PTRDIFF_MIN) {
        REPORT(&report, "%s %s: count %d in place %d seed %llu: byte %td", operation_names[op],
               cvar_isa_name(isa), counts[c], i % 2, (unsigned long long)seed, difference);
      }
      release_guarded(expected);
      release_guarded(found);
    }
    check_channel_sums(isa, in, counts[c], &report);
    free(in);
  }
  return report;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

// The result in double and, in units of 2^-24, the bound of its error: of the activations against
// |x| (the functions inside are within 3 units of 1), of sums against the sum of their terms.
static double formula(operation op, const operands *in, int32_t count, int32_t at, double *bound) {
  int32_t row = at / count, i = at % count, half = count / 2;
  const float *x = in->x + row * count, *c = in->a + row * half, *s = in->b + row * half;
  double v = x[i];
  *bound = 8 * fabs(v);
  switch (op) {
    case SILU: return v * sigmoid(v);
    case QUICK_GELU: return v * sigmoid(1.702f * v);
    case GELU_ERF: return 0.5 * v * (1 + erf(v * sqrt(0.5)));
    case GELU_TANH: return 0.5 * v * (1 + tanh(sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    case SILU_MULTIPLY: return v * sigmoid(v) * in->a[at];
    case ADD: return v + in->a[at];
    case ADD_SCALED: *bound = 1; return v + (double)in->a[at] * in->b[i];
    case ROPE_HALF:
      *bound = 4;
      if (i < half) return v * c[i] - (double)x[i + half] * s[i];
      return v * c[i - half] + (double)x[i - half] * s[i - half];
    case ROPE_INTERLEAVED:
      *bound = 4;
      if (i % 2 == 0) return v * c[i / 2] - (double)x[i + 1] * s[i / 2];
      return v * c[i / 2] + (double)x[i - 1] * s[i / 2];
    case CHANNEL_AFFINE: *bound = 2; return v * in->a[i] + in->b[i];
    default: *bound = 8; return (v * in->a[i] + in->b[i]) * sigmoid(v * in->a[i] + in->b[i]);
  }
}

cvar_report cvar_check_elementwise_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  operands *in = make_operands(1, &source);
  enum { SIZE = 34 };
  for (int op = 0; op < OPERATION_COUNT; op++) {
    float *y = run(CVAR_ISA_SCALAR, (operation)op, in, SIZE, 0);
    for (int32_t i = 0; i < ROWS * SIZE; i++) {
      double bound, expected = formula((operation)op, in, SIZE, i, &bound);
      if (op == ADD) bound = fabs(expected);
      if (!(fabs(y[i] - expected) <= bound * 0x1p-24)) {
        REPORT(&report, "%s scalar: element %d: expected %.9g, found %.9g", operation_names[op], i,
               expected, y[i]);
      }
    }
    release_guarded(y);
  }
  double sum[SIZE] = {0}, square[SIZE] = {0};
  cvar_kernels_for(CVAR_ISA_SCALAR)->channel_sums(in->x, ROWS, SIZE, sum, square);
  for (int32_t i = 0; i < SIZE; i++) {
    long double s = 0, q = 0;
    for (int32_t p = 0; p < ROWS; p++) {
      s += in->x[p * SIZE + i];
      q += (long double)in->x[p * SIZE + i] * in->x[p * SIZE + i];
    }
    if (fabs((double)(sum[i] - s)) > 0x1p-48 || fabs((double)(square[i] - q)) > 0x1p-48) {
      REPORT(&report, "channel_sums scalar: channel %d: %.17g %.17g", i, sum[i], square[i]);
    }
  }
  free(in);
  return report;
}
