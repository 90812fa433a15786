#pragma once
#include "float_lanes.h"

#include "attention_lanes.h"
#include "elementwise.h"
#include "kv_store_lanes.h"
#include "matmul_float_lanes.h"
#include "norms_lanes.h"

static void fill_lanes(cvar_kernels *kernels) {
  kernels->matmul_float = matmul_float;
  kernels->rms_norm = rms_norm;
  kernels->layer_norm = layer_norm;
  kernels->normalize_heads = normalize_heads;
  kernels->kv_store = kv_store;
  kernels->attention = attention;
  fill_elementwise(kernels);
}
