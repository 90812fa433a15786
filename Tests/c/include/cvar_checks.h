#pragma once
#include "cvar_kernels.h"

// Checks of the kernels, shared by `swift test` and by the plain C program that runs under an
// emulator.
// Each compares an instruction set with the scalar reference bit for bit, element by element and
// canaries included, or the reference with a formula in double.

// The first failure of a check; `count` is zero where all is well.
typedef struct cvar_report {
  int count;
  char first[256];  // which case, where, what was expected
} cvar_report;

cvar_report cvar_check_quantize_activations(cvar_isa isa, uint64_t seed);
cvar_report cvar_check_matmul_quantized(cvar_isa isa, uint64_t seed);
cvar_report cvar_check_convolve_quantized(cvar_isa isa, uint64_t seed);
cvar_report cvar_check_gather_row(cvar_isa isa, uint64_t seed);
cvar_report cvar_check_quantize_weights(cvar_isa isa, uint64_t seed);

// scale within 1 ulp of max|x| / 127 and codes within half a step of x / scale.
cvar_report cvar_check_quantize_activations_reference(uint64_t seed);
// |y - sum| within a bound that is derived at its definition.
cvar_report cvar_check_matmul_quantized_reference(uint64_t seed);
// The same bits as the matrix product of the gathered inputs.
cvar_report cvar_check_convolve_quantized_reference(uint64_t seed);
// Rows gathered from known weights equal them.
cvar_report cvar_check_gather_row_reference(uint64_t seed);
// The errors it reports are those of the stored values, within a bound that is derived at its definition.
cvar_report cvar_check_quantize_weights_reference(uint64_t seed);
// The reference's results have the same bits on every machine and under every compiler.
cvar_report cvar_check_quantized_digest(void);

// No kernel takes more of its stack than the table states, and the table states no more than is taken.
cvar_report cvar_check_stack(cvar_isa isa);

cvar_report cvar_check_matmul_float(cvar_isa isa, uint64_t seed);
cvar_report cvar_check_winograd(cvar_isa isa, uint64_t seed);
cvar_report cvar_check_norms(cvar_isa isa, uint64_t seed);
cvar_report cvar_check_attention(cvar_isa isa, uint64_t seed);  // and kv_store
cvar_report cvar_check_elementwise(cvar_isa isa, uint64_t seed);
cvar_report cvar_check_half_rows(cvar_isa isa, uint64_t seed);

// Each against its formula in double, within a bound that is derived at its definition.
cvar_report cvar_check_matmul_float_reference(uint64_t seed);
cvar_report cvar_check_winograd_reference(uint64_t seed);
cvar_report cvar_check_norms_reference(uint64_t seed);
cvar_report cvar_check_attention_reference(uint64_t seed);
cvar_report cvar_check_key_bias(void);  // that int8 keys keep their precision beside a large bias
cvar_report cvar_check_elementwise_reference(uint64_t seed);
// Rounding to the nearest half by a search, and the ends of the range.
cvar_report cvar_check_half_rows_reference(uint64_t seed);

// The elementary functions against libm in double, within the bounds they state.
cvar_report cvar_check_math(void);
cvar_report cvar_check_math_double(uint64_t seed);
cvar_report cvar_check_half_conversions(void);
// The float kernels' and elementary functions' results have the same bits on every machine.
cvar_report cvar_check_float_digest(void);
