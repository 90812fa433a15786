#include "fill.h"

// An instruction set without entries of its own keeps those of the one below it.
#if defined(__x86_64__)
__attribute__((weak)) void cvar_fill_float_avx2(cvar_kernels *kernels) { (void)kernels; }
__attribute__((weak)) void cvar_fill_float_avx512vnni(cvar_kernels *kernels) { (void)kernels; }
#elif defined(__aarch64__)
__attribute__((weak)) void cvar_fill_float_neon(cvar_kernels *kernels) { (void)kernels; }
#endif
