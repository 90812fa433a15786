#if defined(__aarch64__)
#include <arm_neon.h>

#include "quantized.h"

static float max_magnitude(const float *x, int32_t count) {
  const uint32x4_t mask = vdupq_n_u32(CVAR_MAGNITUDE_BITS);
  uint32x4_t max = vdupq_n_u32(0);
  for (int32_t i = 0; i < count; i += 4) {
    max = vmaxq_u32(vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + i)), mask), max);
  }
  uint32_t bits = vmaxvq_u32(max);
  float magnitude;
  memcpy(&magnitude, &bits, sizeof magnitude);
  return magnitude;
}

// Four codes, and their sum added lane by lane. Comparison and selection, not fmax and fmin: NaN becomes the code that
// it has in the reference.
static int16x4_t quantize4(const float *x, float inverse, int32x4_t *sum) {
  float32x4_t largest = vdupq_n_f32(127), smallest = vdupq_n_f32(-127);
  float32x4_t code = vmulq_n_f32(vld1q_f32(x), inverse);
  code = vbslq_f32(vcltq_f32(code, largest), code, largest);
  code = vbslq_f32(vcgtq_f32(code, smallest), code, smallest);
  int32x4_t whole = vcvtnq_s32_f32(code);
  *sum = vaddq_s32(*sum, whole);
  return vmovn_s32(whole);
}

static void quantize_group(const float *x, int32_t count, int8_t *codes, float *scale,
                           int32_t *sum) {
  float max = max_magnitude(x, count);
  int is_zero = max < CVAR_ACTIVATION_ZERO;
  *scale = is_zero ? 0 : max / 127.0f;
  float inverse = is_zero ? 0 : 127.0f / max;
  int32x4_t sums = vdupq_n_s32(0);
  for (int32_t i = 0; i < count; i += 8) {
    int16x4_t low = quantize4(x + i, inverse, &sums);
    int16x4_t high = quantize4(x + i + 4, inverse, &sums);
    vst1_s8(codes + i, vmovn_s16(vcombine_s16(low, high)));
  }
  *sum = vaddvq_s32(sums);
}

static void quantize_activations(const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
                                 int32_t group_size, int8_t *codes, float *scales,
                                 int32_t *sums) {
  cvar_quantize_groups(quantize_group, x, x_stride, n, k, group_size, codes, scales, sums);
}

void cvar_fill_int_neon(cvar_kernels *kernels) {
  kernels->quantize_activations = quantize_activations;
  kernels->matmul_quantized = cvar_matmul_quantized_neon;
  kernels->convolve_quantized = cvar_convolve_quantized_neon;
}
#endif
