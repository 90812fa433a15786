#pragma once
#include <stdint.h>

// Elementary functions of our own: the same bits on every machine. No libm on the numerical path.
// The error bound of each stands at its definition.

float cvar_exp(float x);
float cvar_tanh(float x);
float cvar_erf(float x);
float cvar_sigmoid(float x);
float cvar_sin(float x);  // |x| < 2^20
float cvar_cos(float x);
double cvar_log(double x);
double cvar_pow(double base, double exponent);  // base > 0

uint16_t cvar_f16_from_f32(float x);  // round half to even, overflow to infinity
float cvar_f32_from_f16(uint16_t x);
uint16_t cvar_bf16_from_f32(float x);
float cvar_f32_from_bf16(uint16_t x);
