#include <string.h>

#include "quantize_weights.h"

// The weight quantizers over vectors whose lanes are rows of a tile, written once. quantize_weights_avx2.c, _avx512.c
// and _neon.c each include this text under their target attribute, after defining
//   LANES:                    rows of a vector, a divisor of 16,
//   vf, vi, vb:               LANES floats, LANES int32, 4 * LANES bytes: 4 of each row,
//   zip_low, zip_high(a, b):  a0 b0 a1 b1 ... of the lower and the upper halves,
//   nearest(x):               rounds half to even,
//   pack(a, b, c, d):         4 integers of each row as bytes, limited to -128...127,
//   lookup(table, index):     entries of a table of 16 bytes,
//   add_squares(sum, bytes):  adds the squares of each row's 4 bytes,
//   load_halves, store_halves(p, x): fp16, rounded half to even.
// Every lane does the scalar reference's operations in its order; the integer parts are exact in any order.

#define INLINE static inline __attribute__((always_inline))

// Everything that takes or returns a vector is inlined, so that no calling convention matters.
#pragma GCC diagnostic ignored "-Wpsabi"

#if defined(__clang__)
// A build without optimization or with sanitizers leaves the loops plain.
#pragma clang diagnostic ignored "-Wpass-failed"
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { QUADS = CVAR_MAX_GROUP / 4 };

INLINE vf splat(float x) {
  vf v = {0};
  return v + x;
}

INLINE vi bits_of(vf x) {
  vi bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

INLINE vf floats_of(vi bits) {
  vf x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

INLINE vb bytes_of(vi words) {
  vb bytes;
  memcpy(&bytes, &words, sizeof bytes);
  return bytes;
}

INLINE vi words_of(vb bytes) {
  vi words;
  memcpy(&words, &bytes, sizeof words);
  return words;
}

INLINE vi either(vi mask, vi a, vi b) { return (mask & a) | (~mask & b); }

INLINE vf pick(vi mask, vf a, vf b) { return floats_of(either(mask, bits_of(a), bits_of(b))); }

INLINE vf magnitude_of(vf x) { return floats_of(bits_of(x) & 0x7fffffff); }

INLINE vi is_finite(vf x) { return x - x == 0; }

// Byte `j` of each row as a float; j is a constant.
INLINE vf float_of_byte(vb bytes, int j) {
  vi words = words_of(bytes);
  if (j < 3) words <<= 24 - 8 * j;
  return __builtin_convertvector(words >> 24, vf);
}

// The rows of a tile that one vector holds.
typedef struct lane_rows {
  const float *x;
  ptrdiff_t x_stride;
  int32_t count;  // of rows that are there; the others read as zeros
  int32_t first;  // row of lane 0 in the tile
  vi present;     // mask of the rows that are there
} lane_rows;

INLINE lane_rows rows_from(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t first) {
  lane_rows r = {x + first * x_stride, x_stride, rows - first, first, {0}};
  for (int32_t lane = 0; lane < LANES; lane++) r.present[lane] = lane < r.count ? -1 : 0;
  return r;
}

// columns[count] of the rows from `start` on, and zeros up to a multiple of LANES.
INLINE void load_columns(const lane_rows *r, int32_t start, int32_t count, vf *columns) {
  for (int32_t col = 0; col < count; col += LANES) {
    vf a[LANES], b[LANES];
    size_t width = count - col < LANES ? (size_t)(count - col) : LANES;
    UNROLL for (int32_t lane = 0; lane < LANES; lane++) {
      const float *row = r->x + lane * r->x_stride + start + col;
      a[lane] = (vf){0};
      if (lane < r->count && width == LANES) memcpy(&a[lane], row, sizeof a[lane]);
      if (lane < r->count && width < LANES) memcpy(&a[lane], row, width * sizeof *row);
    }
    // Each round of zips moves one bit of the column's index into the lane's; log2(LANES) rounds transpose.
    UNROLL for (int32_t step = 1; step < LANES; step *= 2) {
      UNROLL for (int32_t i = 0; i < LANES / 2; i++) {
        b[2 * i] = zip_low(a[i], a[i + LANES / 2]);
        b[2 * i + 1] = zip_high(a[i], a[i + LANES / 2]);
      }
      memcpy(a, b, sizeof a);
    }
    memcpy(columns + col, a, sizeof a);
  }
}

INLINE vf sum_of(const vf partial[16]) {
  vf eight[8], four[4];
  UNROLL for (int i = 0; i < 8; i++) eight[i] = partial[i] + partial[i + 8];
  UNROLL for (int i = 0; i < 4; i++) four[i] = eight[i] + eight[i + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

INLINE vf norm_group(const vf *x, int32_t n) {
  vf partial[16];
  UNROLL for (int j = 0; j < 16; j++) {
    vf sum = {0};
    for (int32_t i = j; i < n; i += 16) sum += x[i] * x[i];
    partial[j] = sum;
  }
  return sum_of(partial);
}

// The value of largest magnitude, with its sign.
INLINE vf extreme_of(const vf *x, int32_t n) {
  vf highest = {0}, lowest = {0};
  for (int32_t i = 0; i < n; i++) {
    highest = pick(x[i] > highest, x[i], highest);
    lowest = pick(x[i] < lowest, x[i], lowest);
  }
  return pick(highest >= -lowest, highest, lowest);
}

INLINE vi round_limited(vf x) {
  x = pick(x > 127.0f, splat(127.0f), x);
  return nearest(pick(x < -127.0f, splat(-127.0f), x));
}

// x[4] * inverse, rounded and limited to +-127. The products of the searches stay below 2^31.
INLINE vb round_quad(const vf *x, vf inverse) {
  vb y = pack(nearest(x[0] * inverse), nearest(x[1] * inverse), nearest(x[2] * inverse),
              nearest(x[3] * inverse));
  return y - (y == -128);
}

// The same for any inverse.
INLINE vb round_quad_limited(const vf *x, vf inverse) {
  return pack(round_limited(x[0] * inverse), round_limited(x[1] * inverse),
              round_limited(x[2] * inverse), round_limited(x[3] * inverse));
}

INLINE vb repeat16(const int8_t entries[16]) {
  vb v;
  for (size_t i = 0; i < sizeof v; i += 16) memcpy((char *)&v + i, entries, 16);
  return v;
}

typedef struct codebook_lanes {
  vb entries;
  // Of the thresholds that the next step of a binary search compares with, at the index found so far.
  vb thresholds[4];
  uint8_t nearest_to_zero;
  float first, last;
} codebook_lanes;

static void set_codebook(const int8_t codebook[16], codebook_lanes *book) {
  book->entries = repeat16(codebook);
  for (int step = 8, i = 0; step > 0; step /= 2, i++) {
    int8_t thresholds[16] = {0};
    for (int index = 0; index + step < 16; index++) {
      thresholds[index] = cvar_code_threshold(codebook, index + step - 1);
    }
    book->thresholds[i] = repeat16(thresholds);
  }
  book->nearest_to_zero = 0;
  for (int j = 0; j < 15; j++) book->nearest_to_zero += 0 > cvar_code_threshold(codebook, j);
  book->first = codebook[0];
  book->last = codebook[15];
}

// Indices of the codebook's entries nearest to y: the number of thresholds below.
INLINE vb snap(vb y, const codebook_lanes *book) {
  vb index = (y > lookup(book->thresholds[0], (vb){0})) & 8;
  index |= (y > lookup(book->thresholds[1], index)) & 4;
  index |= (y > lookup(book->thresholds[2], index)) & 2;
  return index | ((y > lookup(book->thresholds[3], index)) & 1);
}

// The best least-squares scale, improved by one guess.
INLINE void try_guess(const vf *x, int32_t n, vf inverse, const codebook_lanes *book,
                      vf *best_gain, vf *best_scale) {
  vf partial[16];
  vi squares = {0};
  UNROLL for (int part = 0; part < 16; part += 4) {
    vf sums[4] = {{0}, {0}, {0}, {0}};
    for (int32_t i = part; i < n; i += 16) {
      vb values = lookup(book->entries, snap(round_quad(x + i, inverse), book));
      squares = add_squares(squares, values);
      sums[0] += x[i] * float_of_byte(values, 0);
      sums[1] += x[i + 1] * float_of_byte(values, 1);
      sums[2] += x[i + 2] * float_of_byte(values, 2);
      sums[3] += x[i + 3] * float_of_byte(values, 3);
    }
    memcpy(partial + part, sums, sizeof sums);
  }
  vf dot = sum_of(partial), count = __builtin_convertvector(squares, vf);
  // Where all entries are 0 the gain is no number, and not greater.
  vf gain = dot * dot / count;
  vi is_better = (gain > *best_gain) & is_finite(inverse);
  *best_gain = pick(is_better, gain, *best_gain);
  *best_scale = pick(is_better, dot / count, *best_scale);
}

INLINE vf search_scale_int4(const vf *x, int32_t n, const codebook_lanes *book) {
  static const float shares[] = CVAR_INT4_SHARES;
  vf extreme = extreme_of(x, n), best_gain = {0}, best_scale = {0};
  for (int end = 0; end < 2; end++) {
    vf entry = splat(end == 0 ? book->first : book->last);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
      try_guess(x, n, entry / (extreme * shares[i]), book, &best_gain, &best_scale);
    }
  }
  return best_scale;
}

// The error of codes[n / 4] at a scale.
INLINE vf error_quads(const vf *x, int32_t n, const vb *codes, vf scale) {
  vf partial[16];
  UNROLL for (int part = 0; part < 16; part += 4) {
    vf sums[4] = {{0}, {0}, {0}, {0}};
    for (int32_t i = part; i < n; i += 16) {
      UNROLL for (int j = 0; j < 4; j++) {
        vf difference = x[i + j] - float_of_byte(codes[i / 4], j) * scale;
        sums[j] += difference * difference;
      }
    }
    memcpy(partial + part, sums, sizeof sums);
  }
  return sum_of(partial);
}

INLINE void add_errors(const lane_rows *r, vf error, vf norm, cvar_weight_error *errors) {
  for (int32_t lane = 0; lane < LANES && lane < r->count; lane++) {
    errors[r->first + lane].squared_error += (double)error[lane];
    errors[r->first + lane].squared_sum += (double)norm[lane];
  }
}

typedef struct stored_group {
  vf scale;  // a whole number
  vf error, norm;
  vb indices[QUADS];
} stored_group;

// The stored scale below or above the ideal one, whichever leaves the smaller error.
INLINE void choose_stored_scale(const vf *x, int32_t n, vf ideal, vf super,
                                const codebook_lanes *book, stored_group *out) {
  vf exact = pick(super > 0, ideal / super, splat(0));
  vf below = (exact + CVAR_ROUNDER) - CVAR_ROUNDER;
  below = pick(below > exact, below - 1, below);
  vf stored[2], error[2];
  vi is_allowed[2];
  vb indices[2][QUADS], values[QUADS];
  for (int trial = 0; trial < 2; trial++) {
    stored[trial] = below + (float)trial;
    is_allowed[trial] = (stored[trial] >= -(float)CVAR_MAX_CODE) &
                        (stored[trial] <= (float)CVAR_MAX_CODE) & (stored[trial] != 0);
    vf scale = stored[trial] * super;
    vf inverse = 1.0f / scale;
    for (int32_t i = 0; i < n; i += 4) {
      indices[trial][i / 4] = snap(round_quad_limited(x + i, inverse), book);
      values[i / 4] = lookup(book->entries, indices[trial][i / 4]);
    }
    error[trial] = error_quads(x, n, values, scale);
  }
  vi is_second = is_allowed[1] & (~is_allowed[0] | (error[1] < error[0]));
  vf norm = norm_group(x, n), best = pick(is_second, error[1], error[0]);
  vi is_kept = (is_allowed[0] | is_allowed[1]) & (best < norm);
  out->scale = pick(is_kept, pick(is_second, stored[1], stored[0]), splat(0));
  out->error = pick(is_kept, best, norm);
  out->norm = norm;
  vb zero = (vb){0} + (int8_t)book->nearest_to_zero;
  for (int32_t i = 0; i < n / 4; i++) {
    vi chosen = either(is_second, words_of(indices[1][i]), words_of(indices[0][i]));
    out->indices[i] = bytes_of(either(is_kept, chosen, words_of(zero)));
  }
}

INLINE void store_group_int4(const lane_rows *r, const stored_group *group, int32_t n,
                             uint8_t *tile, int8_t *scales) {
  for (int32_t quad = 0; quad < n / 4; quad += 2) {
    vi low = words_of(group->indices[quad]), high = words_of(group->indices[quad + 1]);
    vi packed = (low | high << 4) & r->present;
    memcpy(tile + quad / 2 * 64 + r->first * 4, &packed, sizeof packed);
  }
  for (int32_t lane = 0; lane < LANES; lane++) {
    scales[r->first + lane] = (int8_t)(lane < r->count ? group->scale[lane] : 0);
  }
}

// A bit for each row of an infinite value.
INLINE uint32_t infinite_rows(const lane_rows *r, vf halves) {
  vi is_infinite = ~is_finite(halves) & r->present;
  uint32_t rows = 0;
  for (int32_t lane = 0; lane < LANES; lane++) {
    rows |= (uint32_t)(is_infinite[lane] & 1) << (r->first + lane);
  }
  return rows;
}

INLINE int32_t first_row(uint32_t bad_rows, int32_t rows) {
  return bad_rows ? __builtin_ctz(bad_rows) : rows;
}

INLINE uint32_t quantize_rows_int4(const lane_rows *r, int32_t k, int32_t group_size,
                                   const codebook_lanes *book, uint8_t *tile, int8_t *scales,
                                   uint16_t *superscales, cvar_weight_error *errors) {
  vf x[CVAR_SUPERBLOCK_COLS], ideal[CVAR_SUPERBLOCK_COLS / CVAR_MIN_GROUP];
  stored_group group;
  uint32_t bad_rows = 0;
  for (int32_t block = 0; block < k; block += CVAR_SUPERBLOCK_COLS) {
    int32_t cols = k - block < CVAR_SUPERBLOCK_COLS ? k - block : CVAR_SUPERBLOCK_COLS;
    load_columns(r, block, cols, x);
    vf largest = {0};
    for (int32_t i = 0; i < cols; i += group_size) {
      ideal[i / group_size] = search_scale_int4(x + i, group_size, book);
      vf magnitude = magnitude_of(ideal[i / group_size]);
      largest = pick(magnitude > largest, magnitude, largest);
    }
    uint16_t *halves = superscales + block / CVAR_SUPERBLOCK_COLS * CVAR_TILE_ROWS + r->first;
    store_halves(halves, largest / (float)CVAR_MAX_CODE / CVAR_INT4_SCALE_UNIT);
    vf super = load_halves(halves);
    bad_rows |= infinite_rows(r, super);
    super *= CVAR_INT4_SCALE_UNIT;
    for (int32_t i = 0; i < cols; i += group_size) {
      choose_stored_scale(x + i, group_size, ideal[i / group_size], super, book, &group);
      store_group_int4(r, &group, group_size, tile + (block + i) / 8 * 64,
                       scales + (block + i) / group_size * CVAR_TILE_ROWS);
      add_errors(r, group.error, group.norm, errors);
    }
  }
  return bad_rows;
}

static int32_t quantize_int4(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                             int32_t group_size, const int8_t codebook[16], uint8_t *tile,
                             int8_t *scales, uint16_t *superscales, cvar_weight_error *errors) {
  codebook_lanes book;
  set_codebook(codebook, &book);
  uint32_t bad_rows = 0;
  memset(errors, 0, (size_t)rows * sizeof *errors);
  for (int32_t first = 0; first < CVAR_TILE_ROWS; first += LANES) {
    lane_rows r = rows_from(x, x_stride, rows, first);
    bad_rows |= quantize_rows_int4(&r, k, group_size, &book, tile, scales, superscales, errors);
  }
  return first_row(bad_rows, rows);
}

// Scales and inverses of the best guess; 0 where the codes are all zero.
INLINE vf search_scale_int8(const lane_rows *r, const vf *x, int32_t n, uint32_t *bad_rows,
                            vf *error, vf *norm) {
  static const float shares[] = CVAR_INT8_SHARES;
  vf magnitude = magnitude_of(extreme_of(x, n)), best_scale = {0};
  *norm = norm_group(x, n);
  vf best_error = *norm;
  for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
    uint16_t halves[LANES];
    store_halves(halves, magnitude * shares[i] / (float)CVAR_MAX_CODE / CVAR_INT8_SCALE_UNIT);
    vf scale = load_halves(halves);
    if (i == 0) *bad_rows |= infinite_rows(r, scale);
    scale *= CVAR_INT8_SCALE_UNIT;
    vf inverse = 1.0f / scale;
    vb codes[QUADS];
    for (int32_t j = 0; j < n; j += 4) codes[j / 4] = round_quad(x + j, inverse);
    vf trial = error_quads(x, n, codes, scale);
    vi is_better = (scale != 0) & is_finite(inverse) & (trial < best_error);
    best_error = pick(is_better, trial, best_error);
    best_scale = pick(is_better, scale, best_scale);
  }
  *error = best_error;
  return best_scale;
}

INLINE uint32_t quantize_rows_int8(const lane_rows *r, int32_t k, int32_t group_size,
                                   int8_t *codes, uint16_t *scales, cvar_weight_error *errors) {
  vf x[CVAR_MAX_GROUP], error, norm;
  uint32_t bad_rows = 0;
  for (int32_t start = 0; start < k; start += group_size) {
    load_columns(r, start, group_size, x);
    vf scale = search_scale_int8(r, x, group_size, &bad_rows, &error, &norm);
    store_halves(scales + start / group_size * CVAR_TILE_ROWS + r->first,
                 scale / CVAR_INT8_SCALE_UNIT);
    vf inverse = pick(scale != 0, 1.0f / scale, splat(0));
    for (int32_t i = 0; i < group_size; i += 4) {
      vb quad = round_quad(x + i, inverse);
      memcpy(codes + (start + i) / 4 * 64 + r->first * 4, &quad, sizeof quad);
    }
    add_errors(r, error, norm, errors);
  }
  return bad_rows;
}

static int32_t quantize_int8(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                             int32_t group_size, int8_t *codes, uint16_t *scales,
                             cvar_weight_error *errors) {
  uint32_t bad_rows = 0;
  memset(errors, 0, (size_t)rows * sizeof *errors);
  for (int32_t first = 0; first < CVAR_TILE_ROWS; first += LANES) {
    lane_rows r = rows_from(x, x_stride, rows, first);
    bad_rows |= quantize_rows_int8(&r, k, group_size, codes, scales, errors);
  }
  return first_row(bad_rows, rows);
}

INLINE vf round_to_bf16(vf x) {
  vi bits = bits_of(x);
  return floats_of((bits + 0x7fff + (bits >> 16 & 1)) & ~0xffff);
}

INLINE void store_bf16(uint16_t *p, vf x) {
  for (int32_t lane = 0; lane < LANES; lane++) p[lane] = (uint16_t)((uint32_t)bits_of(x)[lane] >> 16);
}

typedef double vd __attribute__((vector_size(LANES * 8)));

INLINE int32_t round_rows(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                          int is_bf16, uint16_t *tile, cvar_weight_error *errors) {
  uint32_t bad_rows = 0;
  for (int32_t first = 0; first < CVAR_TILE_ROWS; first += LANES) {
    lane_rows r = rows_from(x, x_stride, rows, first);
    vd squared_error = {0}, squared_sum = {0};
    vi is_infinite = {0};
    for (int32_t start = 0; start < k; start += 16) {
      vf columns[16];
      int32_t count = k - start < 16 ? k - start : 16;
      load_columns(&r, start, count, columns);
      for (int32_t i = 0; i < count; i++) {
        uint16_t *out = tile + (ptrdiff_t)(start + i) * CVAR_TILE_ROWS + first;
        vf stored;
        if (is_bf16) {
          stored = round_to_bf16(columns[i]);
          store_bf16(out, stored);
        } else {
          store_halves(out, columns[i]);
          stored = load_halves(out);
        }
        is_infinite |= ~is_finite(stored);
        // Exact in single precision, too.
        vd difference = __builtin_convertvector(columns[i] - stored, vd);
        vd exact = __builtin_convertvector(columns[i], vd);
        squared_error += difference * difference;
        squared_sum += exact * exact;
      }
    }
    for (int32_t lane = 0; lane < LANES && lane < r.count; lane++) {
      bad_rows |= (uint32_t)(is_infinite[lane] & 1) << (first + lane);
      errors[first + lane] = (cvar_weight_error){squared_error[lane], squared_sum[lane]};
    }
  }
  return first_row(bad_rows, rows);
}

static int32_t round_f16(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                         uint16_t *tile, cvar_weight_error *errors) {
  return round_rows(x, x_stride, rows, k, 0, tile, errors);
}

static int32_t round_bf16(const float *x, ptrdiff_t x_stride, int32_t rows, int32_t k,
                          uint16_t *tile, cvar_weight_error *errors) {
  return round_rows(x, x_stride, rows, k, 1, tile, errors);
}
