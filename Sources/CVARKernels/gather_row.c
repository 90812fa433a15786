#include "quantized.h"

static float bf16_to_float(uint16_t value) {
  uint32_t bits = (uint32_t)value << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

void cvar_gather_row(const cvar_matrix *w, int32_t row, float *out) {
  int32_t tile = row / CVAR_TILE_ROWS;
  int32_t tile_row = row % CVAR_TILE_ROWS;
  size_t first = (size_t)tile * CVAR_TILE_ROWS * (size_t)w->cols + (size_t)tile_row;
  for (int32_t k = 0; k < w->cols; k++) {
    size_t index = first + (size_t)k * CVAR_TILE_ROWS;
    switch (w->type) {
      case CVAR_F32: out[k] = ((const float *)w->codes)[index]; break;
      case CVAR_F16: out[k] = cvar_half_to_float(((const uint16_t *)w->codes)[index]); break;
      case CVAR_BF16: out[k] = bf16_to_float(((const uint16_t *)w->codes)[index]); break;
      default:
        out[k] = (float)cvar_weight_code(w, tile, tile_row, k) *
                 cvar_weight_scale(w, tile, k / w->group_size, tile_row);
    }
  }
}
