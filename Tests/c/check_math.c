#include "check_support.h"
#include "include/cvar_checks.h"

#include "cvar_math.h"

#include <float.h>

// The distance of two floats next to x.
static double ulp(double x) {
  int exponent;
  frexp(x, &exponent);
  return ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
}

typedef struct float_function {
  const char *name;
  float (*function)(float);
  double (*reference)(double);
  float limit;        // |x| below this
  double bound_ulps;
} float_function;

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static const float_function functions[] = {
    {"exp", cvar_exp, exp, FLT_MAX, 1.1},         {"tanh", cvar_tanh, tanh, FLT_MAX, 1.5},
    {"erf", cvar_erf, erf, FLT_MAX, 1.5},         {"sigmoid", cvar_sigmoid, sigmoid, 87.5f, 2.5},
    {"sin", cvar_sin, sin, 0x1p20f, 0.51},        {"cos", cvar_cos, cos, 0x1p20f, 0.51},
};

static void check_at(float_function f, float x, cvar_report *report) {
  if (!(fabsf(x) < f.limit)) return;
  double expected = f.reference(x);
  float found = f.function(x);
  // Past the largest float and half a step the result is infinite.
  int is_infinite = fabs(expected) >= 0x1.ffffffp127;
  int is_good = is_infinite ? isinf(found) != 0
                            : fabs(found - expected) <= f.bound_ulps * ulp(expected);
  if (!is_good) {
    REPORT(report, "%s(%a): expected %.9g, found %.9g, %.2f ulp", f.name, (double)x, expected,
           found, fabs(found - expected) / ulp(expected));
  }
}

// Every 4099th float of either sign, and all around the points where a formula changes.
cvar_report cvar_check_math(void) {
  static const float turns[] = {0.625f, 0.925f, 4.0f, 87.3365f, 88.7228f, 103.97f, 0.34657f,
                                0x1p-126f, 0.785398f, 1.570796f, 3.1415927f};
  cvar_report report = {0};
  for (int i = 0; i < COUNT(functions); i++) {
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += 4099) {
      float x;
      memcpy(&x, &bits, sizeof x);
      check_at(functions[i], x, &report);
      check_at(functions[i], -x, &report);
    }
    for (int t = 0; t < COUNT(turns); t++) {
      float x = turns[t] * (1 - 0x1p-14f);
      for (int step = 0; step < 2000; step++, x = nextafterf(x, INFINITY)) {
        check_at(functions[i], x, &report);
        check_at(functions[i], -x, &report);
      }
    }
  }
  if (cvar_exp(-INFINITY) != 0 || cvar_exp(INFINITY) != INFINITY || cvar_tanh(INFINITY) != 1 ||
      cvar_tanh(-INFINITY) != -1 || cvar_erf(-INFINITY) != -1 || cvar_sigmoid(INFINITY) != 1 ||
      cvar_sigmoid(-INFINITY) != 0 || !isnan(cvar_exp(NAN)) || !isnan(cvar_tanh(NAN)) ||
      !isnan(cvar_erf(NAN)) || !isnan(cvar_sin(INFINITY))) {
    REPORT(&report, "a function is wrong at an infinity or NaN");
  }
  return report;
}

// libm's log and pow are within 1 ulp themselves.
cvar_report cvar_check_math_double(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int i = 0; i < 100000; i++) {
    double base = ldexp(1.5 + 0.5 * random_float(&source), random_int(&source, -40, 40));
    if (i % 4 == 0) base = 1 + 0x1p-10 * random_float(&source);
    double exponent = 20 * random_float(&source);
    double log_error = fabs(cvar_log(base) - log(base)), power = pow(base, exponent);
    if (!(log_error <= 1.6 * DBL_EPSILON * fabs(log(base)))) {
      REPORT(&report, "log(%a): expected %.17g, found %.17g", base, log(base), cvar_log(base));
    }
    if (!(fabs(cvar_pow(base, exponent) - power) <= 2.5 * DBL_EPSILON * power)) {
      REPORT(&report, "pow(%a, %a): expected %.17g, found %.17g", base, exponent, power,
             cvar_pow(base, exponent));
    }
  }
  if (cvar_log(1) != 0 || cvar_log(0) != -INFINITY || !isnan(cvar_log(-1)) ||
      cvar_pow(10000, 0) != 1 || cvar_pow(2, -1074) != 0x1p-1074 || cvar_pow(2, 1023) != 0x1p1023 ||
      cvar_pow(2, 1024) != INFINITY || cvar_pow(2, -1e300) != 0 || !isnan(cvar_pow(-1, 2))) {
    REPORT(&report, "log or pow is wrong at a special value");
  }
  return report;
}

static double half(uint32_t code) {
  int exponent = (int)(code >> 10 & 31);
  double fraction = code & 1023;
  return exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
}

// Each half and each middle between two neighbours, which goes to the even one.
cvar_report cvar_check_half_conversions(void) {
  cvar_report report = {0};
  for (uint32_t code = 0; code < 0x7c00; code++) {
    double x = half(code), middle = (x + half(code + 1)) / 2;
    uint32_t even = code % 2 == 0 ? code : code + 1;
    float above = nextafterf((float)middle, INFINITY), below = nextafterf((float)middle, 0);
    if (cvar_f32_from_f16((uint16_t)code) != (float)x ||
        cvar_f32_from_f16((uint16_t)(code | 0x8000)) != -(float)x ||
        cvar_f16_from_f32((float)x) != code || cvar_f16_from_f32(-(float)x) != (code | 0x8000) ||
        cvar_f16_from_f32((float)middle) != even || cvar_f16_from_f32(above) != code + 1 ||
        cvar_f16_from_f32(below) != code) {
      REPORT(&report, "half precision %#x: conversion or rounding", code);
    }
  }
  for (uint32_t code = 0; code < 0x7f80; code++) {
    float x = cvar_f32_from_bf16((uint16_t)code);
    uint32_t middle_bits = code << 16 | 0x8000;
    float middle;
    memcpy(&middle, &middle_bits, sizeof middle);
    if (cvar_bf16_from_f32(x) != code ||
        cvar_bf16_from_f32(middle) != (code % 2 == 0 ? code : code + 1) ||
        cvar_bf16_from_f32(nextafterf(middle, 0)) != code) {
      REPORT(&report, "bf16 %#x: conversion or rounding", code);
    }
  }
  if (cvar_f32_from_f16(0x7c00) != INFINITY || !isnan(cvar_f32_from_f16(0x7c01)) ||
      cvar_f16_from_f32(FLT_MAX) != 0x7c00 || cvar_f16_from_f32(NAN) != 0x7e00 ||
      !isnan(cvar_f32_from_bf16(cvar_bf16_from_f32(NAN)))) {
    REPORT(&report, "half precision: infinity or NaN");
  }
  return report;
}
