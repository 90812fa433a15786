#include "quantize_weights.h"

const cvar_weight_quantizers *cvar_weight_quantizers_for(cvar_isa isa) {
  if (!cvar_isa_is_supported(isa)) return NULL;
  switch (isa) {
#if defined(__x86_64__)
    case CVAR_ISA_AVX2:
    case CVAR_ISA_AVXVNNI: return &cvar_weight_quantizers_avx2;
    case CVAR_ISA_AVX512VNNI: return &cvar_weight_quantizers_avx512;
#elif defined(__aarch64__)
    case CVAR_ISA_NEON:
    case CVAR_ISA_DOTPROD:
    case CVAR_ISA_I8MM: return &cvar_weight_quantizers_neon;
#endif
    default: return &cvar_weight_quantizers_scalar;
  }
}
