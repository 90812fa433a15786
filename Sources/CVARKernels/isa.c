#include "fill.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

// Written once by `fill_tables`, before main; read-only from then on.
static cvar_kernels tables[CVAR_ISA_COUNT];
static int is_supported[CVAR_ISA_COUNT];

static const char *const names[CVAR_ISA_COUNT] = {
    "scalar", "avx2", "avxvnni", "avx512vnni", "neon", "dotprod", "i8mm",
};

#if defined(__x86_64__)
// Leaf 7, subleaf 1, EAX bit 4. Its registers are those of avx2, which the system saves where it lets avx2 run.
static int has_avxvnni(void) {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}

static void detect(void) {
  __builtin_cpu_init();
  is_supported[CVAR_ISA_AVX2] = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                                __builtin_cpu_supports("f16c");
  is_supported[CVAR_ISA_AVXVNNI] = is_supported[CVAR_ISA_AVX2] && has_avxvnni();
  is_supported[CVAR_ISA_AVX512VNNI] =
      is_supported[CVAR_ISA_AVX2] && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

static void fill_wider(void) {
  cvar_kernels *avx2 = &tables[CVAR_ISA_AVX2];
  *avx2 = tables[CVAR_ISA_SCALAR];
  cvar_fill_int_avx2(avx2);
  cvar_fill_float_avx2(avx2);
  cvar_kernels *avxvnni = &tables[CVAR_ISA_AVXVNNI];
  *avxvnni = *avx2;
  cvar_fill_int_avxvnni(avxvnni);
  cvar_kernels *avx512vnni = &tables[CVAR_ISA_AVX512VNNI];
  *avx512vnni = *avx2;
  cvar_fill_int_avx512vnni(avx512vnni);
  cvar_fill_float_avx512vnni(avx512vnni);
}
#elif defined(__aarch64__)
static void detect(void) {
  is_supported[CVAR_ISA_NEON] = 1;
#if defined(__linux__)
  is_supported[CVAR_ISA_DOTPROD] = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  is_supported[CVAR_ISA_I8MM] =
      is_supported[CVAR_ISA_DOTPROD] && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
#endif
}

static void fill_wider(void) {
  cvar_kernels *neon = &tables[CVAR_ISA_NEON];
  *neon = tables[CVAR_ISA_SCALAR];
  cvar_fill_int_neon(neon);
  cvar_fill_float_neon(neon);
  cvar_kernels *dotprod = &tables[CVAR_ISA_DOTPROD];
  *dotprod = *neon;
  cvar_fill_int_dotprod(dotprod);
  cvar_kernels *i8mm = &tables[CVAR_ISA_I8MM];
  *i8mm = *dotprod;
  cvar_fill_int_i8mm(i8mm);
}
#else
static void detect(void) {}
static void fill_wider(void) {}
#endif

__attribute__((constructor)) static void fill_tables(void) {
  is_supported[CVAR_ISA_SCALAR] = 1;
  detect();
  cvar_fill_int_scalar(&tables[CVAR_ISA_SCALAR]);
  cvar_fill_float_scalar(&tables[CVAR_ISA_SCALAR]);
  fill_wider();
  for (int isa = 0; isa < CVAR_ISA_COUNT; isa++) tables[isa].name = names[isa];
}

const char *cvar_isa_name(cvar_isa isa) {
  return (unsigned)isa < CVAR_ISA_COUNT ? names[isa] : "unknown";
}

int cvar_isa_is_supported(cvar_isa isa) {
  return (unsigned)isa < CVAR_ISA_COUNT && is_supported[isa];
}

cvar_isa cvar_isa_best(void) {
  for (int isa = CVAR_ISA_COUNT - 1; isa > CVAR_ISA_SCALAR; isa--) {
    if (is_supported[isa]) return (cvar_isa)isa;
  }
  return CVAR_ISA_SCALAR;
}

const cvar_kernels *cvar_kernels_for(cvar_isa isa) {
  return cvar_isa_is_supported(isa) ? &tables[isa] : NULL;
}
