#pragma once
#include "include/cvar_kernels.h"

// A product and a sum stay two roundings unless the code says fma. gcc gets -ffp-contract=off.
#if defined(__clang__)
#pragma clang fp contract(off)
#endif

// Each instruction set overwrites the entries that it has of its own; isa.c puts the tables
// together from the plain ones up (scalar, avx2, avxvnni or avx512vnni; scalar, neon, dotprod, i8mm).
// int: quantize_activations, matmul_quantized, convolve_quantized, gather_row. float: everything else.

// What a call takes of the stack beside large arrays.
enum { CVAR_FRAME_BYTES = 16384 };

void cvar_fill_int_scalar(cvar_kernels *kernels);
void cvar_fill_float_scalar(cvar_kernels *kernels);
#if defined(__x86_64__)
void cvar_fill_int_avx2(cvar_kernels *kernels);
void cvar_fill_float_avx2(cvar_kernels *kernels);
void cvar_fill_int_avxvnni(cvar_kernels *kernels);
void cvar_fill_int_avx512vnni(cvar_kernels *kernels);
void cvar_fill_float_avx512vnni(cvar_kernels *kernels);
#elif defined(__aarch64__)
void cvar_fill_int_neon(cvar_kernels *kernels);
void cvar_fill_float_neon(cvar_kernels *kernels);
void cvar_fill_int_dotprod(cvar_kernels *kernels);
void cvar_fill_int_i8mm(cvar_kernels *kernels);
#endif
