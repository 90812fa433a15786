#pragma once
#include "float_lanes.h"

#include "attention_lanes.h"
#include "elementwise.h"
#include "half_rows_lanes.h"
#include "kv_store_lanes.h"
#include "matmul_float_lanes.h"
#include "norms_lanes.h"
#include "winograd_lanes.h"

static void fill_lanes(cvar_kernels *kernels) {
  kernels->matmul_float = matmul_float;
  kernels->winograd_weights = winograd_weights;
  kernels->winograd_input = winograd_input;
  kernels->winograd_output = winograd_output;
  kernels->rms_norm = rms_norm;
  kernels->layer_norm = layer_norm;
  kernels->normalize_heads = normalize_heads;
  kernels->kv_store = kv_store;
  kernels->attention = attention;
  kernels->from_f16 = from_f16;
  kernels->to_f16 = to_f16;
  fill_elementwise(kernels);
  // Attention has by far the largest arrays.
  kernels->stack_bytes = sizeof(attention_scratch) + CVAR_FRAME_BYTES;
}
