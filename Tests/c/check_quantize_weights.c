#include "cvar_quantize.h"

#include "check_matrix.h"

typedef enum weight_pattern {
  WEIGHT_BELL = 0,
  WEIGHT_ZERO_GROUPS = 1,   // half the groups are zero
  WEIGHT_TIES = 2,          // on the grid and between its points
  WEIGHT_MIXED_SIZES = 3,   // groups of a row differ by up to 2^40
  WEIGHT_TINY = 4,          // scales below the smallest half
  WEIGHT_SUBNORMAL = 5,
  WEIGHT_ONE_SIDED = 6,
  WEIGHT_PATTERN_COUNT = 7,
} weight_pattern;

typedef enum storage { STORE_INT8, STORE_INT4, STORE_F16, STORE_BF16, STORAGE_COUNT } storage;

static const char *const storage_names[] = {"int8", "int4", "f16", "bf16"};

static const int8_t codebooks[][16] = {
    {-127, -100, -81, -65, -51, -38, -25, -12, 0, 12, 25, 38, 52, 66, 84, 107},
    {-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127},
    {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7},
    {3, 4, 9, 20, 31, 40, 47, 55, 61, 70, 80, 90, 99, 105, 126, 127},
};

typedef struct weight_case {
  storage storage;
  weight_pattern pattern;
  int32_t rows, k, group_size;
  const int8_t *codebook;
} weight_case;

static float random_weight(weight_pattern pattern, int32_t group, random_source *source) {
  float bell = 0;
  for (int i = 0; i < 6; i++) bell += random_float(source) * 0.02f;
  switch (pattern) {
    case WEIGHT_ZERO_GROUPS: return group % 2 == 0 ? (group % 4 == 0 ? 0.0f : -0.0f) : bell;
    case WEIGHT_TIES: return (float)random_int(source, -511, 511) * 0x1p-10f;
    case WEIGHT_MIXED_SIZES: return ldexpf(bell, -(group * 7 % 41));
    case WEIGHT_TINY: return ldexpf(bell, -36 - group % 5);
    case WEIGHT_SUBNORMAL: return ldexpf(bell, -130 - group % 16);
    case WEIGHT_ONE_SIDED: return group % 2 == 0 ? fabsf(bell) : -fabsf(bell);
    default: return bell;
  }
}

// Rows at stride k + 3, so that they are not aligned.
static float *make_weights(const weight_case *c, random_source *source) {
  size_t count = (size_t)c->rows * (size_t)(c->k + 3);
  float *x = allocate(count * sizeof *x);
  for (size_t i = 0; i < count; i++) {
    x[i] = random_weight(c->pattern, (int32_t)(i % (size_t)(c->k + 3)) / c->group_size, source);
  }
  return x;
}

enum { CODES, SCALES, SUPERSCALES, ERRORS, STREAM_COUNT };

typedef struct weight_outputs {
  void *streams[STREAM_COUNT];
  size_t bytes[STREAM_COUNT];
  int32_t done;
} weight_outputs;

static weight_outputs quantize(cvar_isa isa, const weight_case *c, const float *x) {
  static const size_t code_halves[] = {2, 1, 4, 4};  // half bytes of an element
  const cvar_weight_quantizers *q = cvar_weight_quantizers_for(isa);
  size_t k = (size_t)c->k, groups = k / (size_t)c->group_size;
  ptrdiff_t stride = c->k + 3;
  weight_outputs out = {.bytes = {k * 8 * code_halves[c->storage], 0, 0,
                                  (size_t)c->rows * sizeof(cvar_weight_error)}};
  if (c->storage == STORE_INT8) out.bytes[SCALES] = groups * 32;
  if (c->storage == STORE_INT4) out.bytes[SCALES] = groups * 16;
  if (c->storage == STORE_INT4) out.bytes[SUPERSCALES] = (k + 255) / 256 * 32;
  for (int i = 0; i < STREAM_COUNT; i++) out.streams[i] = allocate_guarded(out.bytes[i]);
  void **s = out.streams;
  switch (c->storage) {
    case STORE_INT8:
      out.done = q->quantize_int8(x, stride, c->rows, c->k, c->group_size, s[CODES], s[SCALES],
                                  s[ERRORS]);
      break;
    case STORE_INT4:
      out.done = q->quantize_int4(x, stride, c->rows, c->k, c->group_size, c->codebook, s[CODES],
                                  s[SCALES], s[SUPERSCALES], s[ERRORS]);
      break;
    case STORE_F16:
      out.done = q->round_f16(x, stride, c->rows, c->k, s[CODES], s[ERRORS]);
      break;
    default: out.done = q->round_bf16(x, stride, c->rows, c->k, s[CODES], s[ERRORS]);
  }
  return out;
}

static void release_weight_outputs(weight_outputs *out) {
  for (int i = 0; i < STREAM_COUNT; i++) release_guarded(out->streams[i]);
}

static void compare(cvar_isa isa, const weight_case *c, const float *x, uint64_t seed,
                    cvar_report *report) {
  weight_outputs expected = quantize(CVAR_ISA_SCALAR, c, x), found = quantize(isa, c, x);
  if (expected.done != found.done) {
    REPORT(report, "quantize_weights %s: %s group %d rows %d k %d seed %llu: expected %d rows, found %d",
           cvar_isa_name(isa), storage_names[c->storage], c->group_size, c->rows, c->k,
           (unsigned long long)seed, expected.done, found.done);
  }
  for (int i = 0; i < STREAM_COUNT && expected.done == c->rows; i++) {
    ptrdiff_t byte = first_difference(expected.streams[i], found.streams[i], expected.bytes[i]);
    if (byte == PTRDIFF_MIN) continue;
    REPORT(report,
           "quantize_weights %s: %s group %d rows %d k %d pattern %d seed %llu: stream %d differs from byte %td on",
           cvar_isa_name(isa), storage_names[c->storage], c->group_size, c->rows, c->k, (int)c->pattern,
           (unsigned long long)seed, i, byte);
  }
  release_weight_outputs(&expected);
  release_weight_outputs(&found);
}

static const int32_t group_sizes[] = {16, 32, 64, 128};
static const int32_t row_counts[] = {1, 3, 4, 7, 8, 9, 15, 16};

static void compare_integers(cvar_isa isa, random_source *source, uint64_t seed, cvar_report *report) {
  for (int i = 0; i < COUNT(group_sizes) * WEIGHT_PATTERN_COUNT * COUNT(codebooks); i++) {
    int32_t group_size = group_sizes[i % COUNT(group_sizes)];
    weight_case c = {STORE_INT4, (weight_pattern)(i / COUNT(group_sizes) % WEIGHT_PATTERN_COUNT),
                     row_counts[random_int(source, 0, COUNT(row_counts) - 1)],
                     group_size * random_int(source, 1, 640 / group_size), group_size,
                     codebooks[i / COUNT(group_sizes) / WEIGHT_PATTERN_COUNT]};
    float *x = make_weights(&c, source);
    compare(isa, &c, x, seed, report);
    c.storage = STORE_INT8;
    compare(isa, &c, x, seed, report);
    free(x);
  }
}

static void compare_floats(cvar_isa isa, random_source *source, uint64_t seed, cvar_report *report) {
  for (int32_t k = 1; k <= 49; k++) {
    weight_case c = {STORE_F16, (weight_pattern)(k % WEIGHT_PATTERN_COUNT),
                     row_counts[k % COUNT(row_counts)], k, 1, NULL};
    float *x = make_weights(&c, source);
    compare(isa, &c, x, seed, report);
    c.storage = STORE_BF16;
    compare(isa, &c, x, seed, report);
    free(x);
  }
}

// A value beyond the range of each type, in rows of which the first counts.
static void compare_too_large(cvar_isa isa, random_source *source, uint64_t seed, cvar_report *report) {
  static const float values[] = {1e4f, 1e6f, 65520.0f, 0x1.fffffep127f};
  for (int storage = 0; storage < STORAGE_COUNT; storage++) {
    for (int32_t row = 0; row < 16; row += 5) {
      weight_case c = {(enum storage)storage, WEIGHT_BELL, 16, 320, 32, codebooks[0]};
      float *x = make_weights(&c, source);
      x[row * 323 + 300] = values[storage];
      x[15 * 323 + 3] = -values[3];
      compare(isa, &c, x, seed, report);
      free(x);
    }
  }
}

cvar_report cvar_check_quantize_weights(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  compare_integers(isa, &source, seed, &report);
  compare_floats(isa, &source, seed, &report);
  compare_too_large(isa, &source, seed, &report);
  return report;
}

// The value that is stored for element `i` of a row, by the rules of formats/packed_types.md.
static double stored_value(const weight_case *c, const weight_outputs *out, int32_t row, int32_t i) {
  const uint8_t *codes = out->streams[CODES];
  const uint16_t *halves = out->streams[c->storage == STORE_INT8 ? SCALES : SUPERSCALES];
  const int8_t *scales = out->streams[SCALES];
  int32_t group = i / c->group_size * 16 + row;
  if (c->storage == STORE_INT8) {
    return (int8_t)codes[i / 4 * 64 + row * 4 + i % 4] * half_value(halves[group]) * 0x1p-12;
  }
  uint8_t byte = codes[i / 8 * 64 + row * 4 + i % 4];
  return c->codebook[i % 8 < 4 ? byte & 15 : byte >> 4] * (double)scales[group] *
         half_value(halves[i / 256 * 16 + row]) * 0x1p-16;
}

// The error of a row is that of the stored values, less than that of zeros, and never above the bound that absolute
// maxima as scales would give: for int8 half a step, 1/254 of the largest value, for each weight.
cvar_report cvar_check_quantize_weights_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int g = 0; g < COUNT(group_sizes); g++) {
    for (int storage = STORE_INT8; storage <= STORE_INT4; storage++) {
      weight_case c = {(enum storage)storage, WEIGHT_BELL, 16, 512, group_sizes[g], codebooks[0]};
      float *x = make_weights(&c, &source);
      weight_outputs out = quantize(CVAR_ISA_SCALAR, &c, x);
      const cvar_weight_error *errors = out.streams[ERRORS];
      for (int32_t row = 0; row < c.rows; row++) {
        double error = 0, sum = 0, bound = 0;
        for (int32_t i = 0; i < c.k; i++) {
          double exact = x[row * (c.k + 3) + i], difference = exact - stored_value(&c, &out, row, i), largest = 0;
          for (int32_t j = 0; j < c.group_size; j++) {
            largest = fmax(largest, fabs((double)x[row * (c.k + 3) + i / c.group_size * c.group_size + j]));
          }
          error += difference * difference;
          sum += exact * exact;
          bound += c.storage == STORE_INT8 ? largest * largest * 1.01 / (254 * 254) : 0.02 * exact * exact;
        }
        // Sums of 128 terms in single precision.
        if (!(fabs(error - errors[row].squared_error) <= 1e-5 * error) ||
            !(fabs(sum - errors[row].squared_sum) <= 1e-5 * sum) || !(error <= bound) || !(error > 0)) {
          REPORT(&report,
                 "quantize_weights scalar: %s group %d row %d seed %llu: error %g of %g, stored values have %g of %g, "
                 "bound %g",
                 storage_names[storage], c.group_size, row, (unsigned long long)seed, errors[row].squared_error,
                 errors[row].squared_sum, error, sum, bound);
        }
      }
      release_weight_outputs(&out);
      free(x);
    }
  }
  return report;
}
