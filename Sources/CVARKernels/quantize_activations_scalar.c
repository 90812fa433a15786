#include "math_inline.h"
#include "quantized.h"

static void quantize_group(const float *x, int32_t count, int8_t *codes, float *scale,
                           int32_t *sum) {
  uint32_t max_bits = 0;
  for (int32_t i = 0; i < count; i++) {
    uint32_t bits = bits_of_f32(x[i]) & CVAR_MAGNITUDE_BITS;
    max_bits = bits > max_bits ? bits : max_bits;
  }
  float max = f32_of_bits(max_bits);
  *sum = 0;
  *scale = max < CVAR_ACTIVATION_ZERO ? 0 : max / 127.0f;
  float inverse = max < CVAR_ACTIVATION_ZERO ? 0 : 127.0f / max;
  for (int32_t i = 0; i < count; i++) {
    float code = x[i] * inverse;
    code = code < 127.0f ? code : 127.0f;
    code = code > -127.0f ? code : -127.0f;
    codes[i] = (int8_t)cvar_round_to_int(code);
    *sum += codes[i];
  }
}

void cvar_quantize_activations_scalar(const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
                                      int32_t group_size, int8_t *codes, float *scales,
                                      int32_t *sums) {
  cvar_quantize_groups(quantize_group, x, x_stride, n, k, group_size, codes, scales, sums);
}

void cvar_fill_int_scalar(cvar_kernels *kernels) {
  kernels->quantize_activations = cvar_quantize_activations_scalar;
  kernels->matmul_quantized = cvar_matmul_quantized_scalar;
  kernels->convolve_quantized = cvar_convolve_quantized_scalar;
  kernels->gather_row = cvar_gather_row;
}
