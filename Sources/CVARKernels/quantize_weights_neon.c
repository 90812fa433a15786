#if defined(__aarch64__)
#include <arm_neon.h>

enum { LANES = 4 };
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef int8_t vb __attribute__((vector_size(16)));

static inline vf zip_low(vf a, vf b) { return (vf)vzip1q_f32((float32x4_t)a, (float32x4_t)b); }

static inline vf zip_high(vf a, vf b) { return (vf)vzip2q_f32((float32x4_t)a, (float32x4_t)b); }

static inline vi nearest(vf x) { return (vi)vcvtnq_s32_f32((float32x4_t)x); }

static inline vb pack(vi a, vi b, vi c, vi d) {
  static const uint8_t transpose[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  int16x8_t low = vqmovn_high_s32(vqmovn_s32((int32x4_t)a), (int32x4_t)b);
  int16x8_t high = vqmovn_high_s32(vqmovn_s32((int32x4_t)c), (int32x4_t)d);
  return (vb)vqtbl1q_s8(vqmovn_high_s16(vqmovn_s16(low), high), vld1q_u8(transpose));
}

static inline vb lookup(vb table, vb index) {
  return (vb)vqtbl1q_s8((int8x16_t)table, (uint8x16_t)index);
}

static inline vi add_squares(vi sum, vb bytes) {
  int8x16_t v = (int8x16_t)bytes;
  int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(v), vget_low_s8(v)));
  int32x4_t high = vpaddlq_s16(vmull_high_s8(v, v));
  return sum + (vi)vpaddq_s32(low, high);
}

static inline vf load_halves(const uint16_t *p) {
  return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline void store_halves(uint16_t *p, vf x) {
  vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)x)));
}

#include "quantize_weights_lanes.h"

const cvar_weight_quantizers cvar_weight_quantizers_neon = {quantize_int8, quantize_int4,
                                                            round_f16, round_bf16};

#endif
