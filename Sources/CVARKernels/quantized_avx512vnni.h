#include <immintrin.h>

#include "quantized.h"

// What the product and the convolution share; included under the target attribute.
//
// vpdpbusd multiplies unsigned by signed bytes: weights are biased by 128 (in int4 the codebook is), and the group sums
// of the activations take the bias off again.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE __m512i biased_codebook(const cvar_matrix *w) {
  __m128i codebook = _mm_loadu_si128((const __m128i *)w->codebook);
  return _mm512_broadcast_i32x4(_mm_xor_si128(codebook, _mm_set1_epi8((char)0x80)));
}

// A step is 4 columns of 16 rows, 64 bytes; int4 packs the steps 2i and 2i + 1 into one line.
INLINE void unpack_int4(const uint8_t *line, __m512i codebook, __m512i *even, __m512i *odd) {
  __m512i packed = _mm512_loadu_si512(line);
  __m512i mask = _mm512_set1_epi8(15);
  *even = _mm512_shuffle_epi8(codebook, _mm512_and_si512(packed, mask));
  *odd = _mm512_shuffle_epi8(codebook, _mm512_and_si512(_mm512_srli_epi16(packed, 4), mask));
}

INLINE __m512i unpack_int8(const uint8_t *line) {
  return _mm512_xor_si512(_mm512_loadu_si512(line), _mm512_set1_epi8((char)0x80));
}

INLINE __m512 load_superscale(const cvar_matrix *w, int32_t tile, int32_t superblock) {
  const uint16_t *superscales = (const uint16_t *)w->superscales;
  superscales += cvar_tile_superscale_index(w, tile, superblock);
  return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256((const void *)superscales)),
                       _mm512_set1_ps(CVAR_INT4_SCALE_UNIT));
}

// The scales of a tile's next group. int4: a group that begins a superblock loads its superscale, too.
INLINE __m512 load_scales(const cvar_matrix *w, int32_t tile, int32_t group, const int is_int4,
                          __m512 *superscale) {
  size_t index = cvar_tile_scale_index(w, tile, group);
  if (!is_int4) {
    const __m256i *halves = (const __m256i *)((const uint16_t *)w->scales + index);
    return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256(halves)),
                         _mm512_set1_ps(CVAR_INT8_SCALE_UNIT));
  }
  int32_t col = group * w->group_size;
  if (col % CVAR_SUPERBLOCK_COLS == 0) {
    *superscale = load_superscale(w, tile, col / CVAR_SUPERBLOCK_COLS);
  }
  __m128i bytes = _mm_loadu_si128((const void *)((const int8_t *)w->scales + index));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), *superscale);
}

INLINE __m512i broadcast4(const int8_t *codes) {
  int32_t four;
  memcpy(&four, codes, sizeof four);
  return _mm512_set1_epi32(four);
}

// The sum starts at -128 times the activations' sum.
INLINE __m512i start(int32_t sum) {
  return _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(_mm512_set1_epi32(sum), 7));
}

INLINE __m512 finish(__m512i sum, __m512 weight_scale, float scale, __m512 acc) {
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum),
                         _mm512_mul_ps(weight_scale, _mm512_set1_ps(scale)), acc);
}
