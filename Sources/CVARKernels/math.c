#include "include/cvar_math.h"

#include "math_inline.h"

float cvar_exp(float x) { return exp_f32(x); }
float cvar_tanh(float x) { return tanh_f32(x); }
float cvar_erf(float x) { return erf_f32(x); }
float cvar_sigmoid(float x) { return sigmoid_f32(x); }

uint16_t cvar_f16_from_f32(float x) { return f16_from_f32(x); }
float cvar_f32_from_f16(uint16_t x) { return f32_from_f16(x); }
uint16_t cvar_bf16_from_f32(float x) { return bf16_from_f32(x); }
float cvar_f32_from_bf16(uint16_t x) { return f32_from_bf16(x); }

// log 2 in two parts; the first has 32 bits, so that its product with an exponent is exact.
static const double log2_high = 0x1.62e42feep-1;
static const double log2_low = 0x1.a39ef35793c76p-33;

static const double not_a_number = __builtin_nan("");

static uint64_t bits_of_f64(double x) {
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

static double f64_of_bits(uint64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// sin of x + quadrant * pi/2: reduced to |r| <= pi/4 in double, series in double, rounded once to
// float. Error below 0.51 ulp for |x| < 2^20; beyond that x - x.
static float sine(float x, uint64_t quadrant) {
  if (!(__builtin_fabsf(x) < 0x1p20f)) return x - x;
  const double round_to_integer = 0x1.8p52;
  double shifted = __builtin_fma((double)x, 0x1.45f306dc9c883p-1, round_to_integer);
  double n = shifted - round_to_integer;
  quadrant += bits_of_f64(shifted);
  double r = __builtin_fma(n, -0x1.921fb54442d18p0, (double)x);
  r = __builtin_fma(n, -0x1.1a62633145c07p-54, r);
  double s = r * r;
  double result;
  if (quadrant & 1) {
    result = 1.0 / 479001600;  // 12!
    result = __builtin_fma(result, s, -1.0 / 3628800);
    result = __builtin_fma(result, s, 1.0 / 40320);
    result = __builtin_fma(result, s, -1.0 / 720);
    result = __builtin_fma(result, s, 1.0 / 24);
    result = __builtin_fma(result, s, -0.5);
    result = __builtin_fma(result, s, 1.0);
  } else {
    result = 1.0 / 6227020800;  // 13!
    result = __builtin_fma(result, s, -1.0 / 39916800);
    result = __builtin_fma(result, s, 1.0 / 362880);
    result = __builtin_fma(result, s, -1.0 / 5040);
    result = __builtin_fma(result, s, 1.0 / 120);
    result = __builtin_fma(result, s, -1.0 / 6);
    result = __builtin_fma(result * s, r, r);
  }
  return (float)(quadrant & 2 ? -result : result);
}

float cvar_sin(float x) { return sine(x, 0); }
float cvar_cos(float x) { return sine(x, 1); }

typedef struct split {
  double high, low;
} split;

// log x for finite x > 0 as an unevaluated sum, relative error about 2^-58.
static split log_split(double x) {
  int64_t exponent = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    exponent = -54;
  }
  // x = m 2^exponent with m in [sqrt(1/2), sqrt(2)).
  uint64_t bits = bits_of_f64(x);
  const uint64_t sqrt_half = 0x3fe6a09e667f3bcdu;
  int64_t shift = (int64_t)((bits - sqrt_half) >> 52);
  shift = shift >= 2048 ? shift - 4096 : shift;
  exponent += shift;
  double f = f64_of_bits(bits - ((uint64_t)shift << 52)) - 1.0;
  // log m = 2 atanh(s), s = f / (2 + f); the remainder of the division goes to s_low.
  double d = 2.0 + f;
  double d_low = f - (d - 2.0);
  double s = f / d;
  double s_low = (__builtin_fma(-s, d, f) - s * d_low) / d;
  double z = s * s;
  double p = 2.0 / 23;
  for (int denominator = 21; denominator >= 3; denominator -= 2) {
    p = __builtin_fma(p, z, 2.0 / denominator);
  }
  double series = p * z * s;
  double n = (double)exponent;
  double a = n * log2_high;
  double b = 2.0 * s;
  double high = a + b;
  // |a| > |b| or a = 0, so this is the rounding error of the sum.
  double error = exponent == 0 ? 0.0 : b - (high - a);
  return (split){high, error + (__builtin_fma(n, log2_low, 2.0 * s_low) + series)};
}

// Error below 0.6 ulp. 0 gives -infinity, a negative number or NaN gives NaN.
double cvar_log(double x) {
  if (!(x > 0)) return x == 0 ? -__builtin_inf() : not_a_number;
  if (x > 0x1.fffffffffffffp1023) return x;
  split log = log_split(x);
  return log.high + log.low;
}

// Error below 1.5 ulp for normal results; NaN where the base is not a finite number above 0.
double cvar_pow(double base, double exponent) {
  if (!(base > 0 && base <= 0x1.fffffffffffffp1023) || exponent != exponent) return not_a_number;
  // |log base| < 746 and, unless it is 0, above 2^-54: beyond 2^64 the result is 0, 1 or infinity
  // anyway.
  exponent = exponent > 0x1p64 ? 0x1p64 : exponent < -0x1p64 ? -0x1p64 : exponent;
  split log = log_split(base);
  double product = exponent * log.high;
  double low = __builtin_fma(exponent, log.high, -product) + exponent * log.low;
  if (product > 800) return __builtin_inf();
  if (product < -800) return 0;
  const double round_to_integer = 0x1.8p52;
  double n = __builtin_fma(product, 0x1.71547652b82fep0, round_to_integer) - round_to_integer;
  double r = __builtin_fma(n, -log2_high, product);
  r += __builtin_fma(n, -log2_low, low);
  // e^r by its series; |r| < 0.35, the first term left out is below 2^-57.
  double p = 1.0 / 6227020800;  // 13!
  double factorial_inverse[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
      1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5,
  };
  for (int i = 0; i < 11; i++) p = __builtin_fma(p, r, factorial_inverse[i]);
  p = __builtin_fma(p, r * r, r) + 1.0;
  int64_t power = (int64_t)n;
  int64_t half = power / 2;
  return p * f64_of_bits((uint64_t)(half + 1023) << 52) *
         f64_of_bits((uint64_t)(power - half + 1023) << 52);
}
