#include "include/cvar_checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// kernels_test [SEED [vector | CHECK ISA]]: runs all checks on all instruction sets of this machine, those of vectors
// alone, or one check on one of them. Exit status 1 if a check fails, 2 if there is none.

typedef struct reference_check {
  const char *name;
  cvar_report (*run)(uint64_t seed);
} reference_check;

typedef struct isa_check {
  const char *name;
  cvar_report (*run)(cvar_isa isa, uint64_t seed);
} isa_check;

static const reference_check reference_checks[] = {
    {"quantize_activations", cvar_check_quantize_activations_reference},
    {"matmul_quantized", cvar_check_matmul_quantized_reference},
    {"convolve_quantized", cvar_check_convolve_quantized_reference},
    {"gather_row", cvar_check_gather_row_reference},
    {"quantize_weights", cvar_check_quantize_weights_reference},
    {"matmul_float", cvar_check_matmul_float_reference},
    {"winograd", cvar_check_winograd_reference},
    {"norms", cvar_check_norms_reference},
    {"attention", cvar_check_attention_reference},
    {"elementwise", cvar_check_elementwise_reference},
    {"half_rows", cvar_check_half_rows_reference},
    {"log, pow", cvar_check_math_double},
};

static const isa_check isa_checks[] = {
    {"quantize_activations", cvar_check_quantize_activations},
    {"matmul_quantized", cvar_check_matmul_quantized},
    {"convolve_quantized", cvar_check_convolve_quantized},
    {"gather_row", cvar_check_gather_row},
    {"quantize_weights", cvar_check_quantize_weights},
    {"matmul_float", cvar_check_matmul_float},
    {"winograd", cvar_check_winograd},
    {"norms", cvar_check_norms},
    {"attention, kv_store", cvar_check_attention},
    {"elementwise", cvar_check_elementwise},
    {"half_rows", cvar_check_half_rows},
};

static int print(const char *isa, const char *name, cvar_report report) {
  printf("%-4s %-12s %s\n", report.count ? "FAIL" : "ok", isa, name);
  if (report.count) printf("     %d failures, the first: %s\n", report.count, report.first);
  return report.count != 0;
}

static int run_one(const char *check, const char *name, uint64_t seed) {
  for (size_t i = 0; i < sizeof reference_checks / sizeof reference_checks[0]; i++) {
    if (strcmp(name, "scalar") != 0 || strcmp(reference_checks[i].name, check) != 0) continue;
    return print(name, check, reference_checks[i].run(seed));
  }
  for (int isa = 1; isa < CVAR_ISA_COUNT; isa++) {
    if (!cvar_isa_is_supported((cvar_isa)isa) || strcmp(cvar_isa_name((cvar_isa)isa), name) != 0) continue;
    for (size_t i = 0; i < sizeof isa_checks / sizeof isa_checks[0]; i++) {
      if (strcmp(isa_checks[i].name, check) == 0) return print(name, check, isa_checks[i].run((cvar_isa)isa, seed));
    }
  }
  printf("no check %s on %s\n", check, name);
  return 2;
}

static int check_scalar(uint64_t seed) {
  int failures = print("scalar", "quantized digest", cvar_check_quantized_digest());
  failures += print("scalar", "float digest", cvar_check_float_digest());
  failures += print("scalar", "elementary functions", cvar_check_math());
  failures += print("scalar", "half conversions", cvar_check_half_conversions());
  failures += print("scalar", "key bias", cvar_check_key_bias());
  for (size_t i = 0; i < sizeof reference_checks / sizeof reference_checks[0]; i++) {
    failures += print("scalar", reference_checks[i].name, reference_checks[i].run(seed));
  }
  return failures;
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 7;
  if (argc > 3) return run_one(argv[2], argv[3], seed);
  int is_whole = argc < 3 || strcmp(argv[2], "vector") != 0;
  int failures = is_whole ? check_scalar(seed) : 0;
  for (int isa = 0; isa < CVAR_ISA_COUNT; isa++) {
    if (!cvar_isa_is_supported((cvar_isa)isa)) continue;
    failures += print(cvar_isa_name((cvar_isa)isa), "stack", cvar_check_stack((cvar_isa)isa));
  }
  for (int isa = 1; isa < CVAR_ISA_COUNT; isa++) {
    if (!cvar_isa_is_supported((cvar_isa)isa)) continue;
    for (size_t i = 0; i < sizeof isa_checks / sizeof isa_checks[0]; i++) {
      failures += print(cvar_isa_name((cvar_isa)isa), isa_checks[i].name,
                        isa_checks[i].run((cvar_isa)isa, seed));
    }
  }
  return failures != 0;
}
