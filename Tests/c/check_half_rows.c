#include "check_support.h"
#include "include/cvar_checks.h"

#include "cvar_math.h"

enum { MAX_COUNT = 75 };

// Around the lanes (16), and none at all.
static const int32_t counts[] = {0, 1, 15, 16, 17, 31, 32, 48, 75};

// Every kind of number: ends of the range, subnormal halves, ties, infinities, NaN with a payload.
static const uint32_t special[] = {
    0x00000000u, 0x80000000u, 0x477fe000u, 0x477fe001u, 0x477fefffu, 0x477ff000u, 0xc77ff000u, 0x47800000u,
    0x7f7fffffu, 0xff7fffffu, 0x7f800000u, 0xff800000u, 0x7fc12345u, 0xffb00001u, 0x33000000u, 0x33000001u,
    0x387fe000u, 0x387ff000u, 0x38800000u, 0x3f801000u, 0x3f803000u, 0x00000001u, 0x80400000u, 0xb3800000u,
};

static void fill(float *x, int32_t count, random_source *source) {
  for (int32_t i = 0; i < count; i++) {
    uint32_t bits = special[random_int(source, 0, COUNT(special) - 1)];
    memcpy(&x[i], &bits, sizeof bits);
    if (i % 3 == 1) x[i] = random_float(source) * ldexpf(1, random_int(source, -27, 18));
  }
}

static void check_count(cvar_isa isa, int32_t count, float factor, random_source *source,
                        cvar_report *report) {
  const cvar_kernels *scalar = cvar_kernels_for(CVAR_ISA_SCALAR), *kernels = cvar_kernels_for(isa);
  float x[MAX_COUNT];
  uint16_t h[MAX_COUNT];
  fill(x, count, source);
  for (int32_t i = 0; i < count; i++) h[i] = (uint16_t)random_u64(source);
  size_t floats = (size_t)count * 4, halves = (size_t)count * 2;
  uint16_t *expected = allocate_guarded(halves), *found = allocate_guarded(halves);
  scalar->to_f16(x, factor, expected, (size_t)count);
  kernels->to_f16(x, factor, found, (size_t)count);
  ptrdiff_t difference = first_difference(expected, found, halves);
  if (difference != PTRDIFF_MIN) {
    REPORT(report, "to_f16 %s: count %d: byte %td", cvar_isa_name(isa), count, difference);
  }
  float *wanted = allocate_guarded(floats), *given = allocate_guarded(floats);
  scalar->from_f16(h, factor, wanted, (size_t)count);
  kernels->from_f16(h, factor, given, (size_t)count);
  difference = first_difference(wanted, given, floats);
  if (difference != PTRDIFF_MIN) {
    REPORT(report, "from_f16 %s: count %d: byte %td", cvar_isa_name(isa), count, difference);
  }
  release_guarded(expected);
  release_guarded(found);
  release_guarded(wanted);
  release_guarded(given);
}

cvar_report cvar_check_half_rows(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int repeat = 0; repeat < 20; repeat++) {
    for (int c = 0; c < COUNT(counts); c++) {
      check_count(isa, counts[c], repeat % 2 ? 1 : 0x1p-6f, &source, &report);
    }
  }
  return report;
}

cvar_report cvar_check_half_rows_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  const cvar_kernels *kernels = cvar_kernels_for(CVAR_ISA_SCALAR);
  for (int i = 0; i < 20000; i++) {
    float x = random_float(&source) * ldexpf(1, random_int(&source, -26, 20)), y;
    uint16_t half;
    kernels->to_f16(&x, 0.25f, &half, 1);
    kernels->from_f16(&half, 4, &y, 1);
    // A half has 11 bits above 2^-14 and a grid of 2^-24 below; here it counts in units of 4.
    double step = fmax(ldexp(1, ilogb(fabs((double)x) + 1e-30) - 11), 0x1p-23);
    double error = fabs((double)y - fmin(fmax(x, -4 * 65504.0), 4 * 65504.0));
    if (!(error <= step) || y != 4 * cvar_f32_from_f16(half)) {
      REPORT(&report, "to_f16 scalar: %a gives %a", (double)x, (double)y);
    }
  }
  static const struct {
    float x;
    uint16_t half;
  } ends[] = {
      {65504.0f, 0x7bff}, {65519.996f, 0x7bff}, {65520.0f, 0x7bff}, {1e30f, 0x7bff},
      {-65520.0f, 0xfbff}, {-1e38f, 0xfbff},    {INFINITY, 0x7c00}, {-INFINITY, 0xfc00},
  };
  for (int i = 0; i < COUNT(ends); i++) {
    uint16_t half;
    kernels->to_f16(&ends[i].x, 1, &half, 1);
    if (half != ends[i].half) REPORT(&report, "to_f16 scalar: %a gives %#x", (double)ends[i].x, half);
  }
  float nan = NAN;
  uint16_t half;
  kernels->to_f16(&nan, 1, &half, 1);
  if ((half & 0x7fff) <= 0x7c00) REPORT(&report, "to_f16 scalar: NaN gives %#x", half);
  return report;
}
