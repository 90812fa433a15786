#include "check_matrix.h"
#include "include/cvar_checks.h"

typedef struct convolution {
  cvar_matrix w;
  quantized_activations x;  // [height + 2][width + 2] pixels
  cvar_code_map map;
  float *bias;
  int32_t channels, stride, tile_begin, tile_end;
  ptrdiff_t y_row_stride;
} convolution;

typedef struct map_size {
  int32_t height, width, stride;  // of the outputs
} map_size;

static convolution make_convolution(quantized_type type, int32_t channels, int32_t rows,
                                    map_size size, data_pattern pattern, int has_bias,
                                    random_source *source) {
  convolution c = {.channels = channels, .stride = size.stride, .tile_end = (rows + 15) / 16};
  int32_t in_height = (size.height - 1) * size.stride + 3;
  int32_t in_width = (size.width - 1) * size.stride + 3;
  c.w = make_quantized_matrix(type.type, rows, 9 * channels, type.group_size, pattern, source);
  c.x = make_activations(in_height * in_width, channels, type.group_size, pattern, source);
  c.map = (cvar_code_map){
      c.x.codes, c.x.scales, c.x.sums, size.height, size.width,
      .row_stride = (ptrdiff_t)size.stride * in_width * channels,
      .pixel_stride = (ptrdiff_t)size.stride * channels,
      .kernel_stride = (ptrdiff_t)in_width * channels,
  };
  c.y_row_stride = size.width * rows + 3;
  if (has_bias) {
    c.bias = allocate((size_t)rows * sizeof *c.bias);
    for (int32_t row = 0; row < rows; row++) c.bias[row] = random_float(source);
  }
  return c;
}

static void release_convolution(convolution *c) {
  release_matrix(&c->w);
  release_activations(&c->x);
  free(c->bias);
}

static size_t output_bytes(const convolution *c) {
  return (size_t)c->map.height * (size_t)c->y_row_stride * sizeof(float);
}

static float *convolve(cvar_isa isa, const convolution *c) {
  float *y = allocate_guarded(output_bytes(c));
  cvar_kernels_for(isa)->convolve_quantized(&c->w, &c->map, c->bias, y, c->y_row_stride,
                                            c->tile_begin, c->tile_end);
  return y;
}

// The inputs of every output side by side, multiplied as a plain matrix: the same sums in the same order.
static float *convolve_gathered(const convolution *c) {
  float *y = allocate_guarded(output_bytes(c));
  const int32_t group_size = c->w.group_size, cols = c->w.cols, run = 3 * c->channels;
  int8_t *codes = allocate((size_t)cols);
  float *scales = allocate((size_t)cols * sizeof *scales);
  int32_t *sums = allocate((size_t)cols * sizeof *sums);
  for (int32_t pixel = 0; pixel < c->map.height * c->map.width; pixel++) {
    int32_t row = pixel / c->map.width, col = pixel % c->map.width;
    for (int32_t k = 0; k < cols; k++) {
      ptrdiff_t at = row * c->map.row_stride + col * c->map.pixel_stride +
                     k / run * c->map.kernel_stride + k % run;
      codes[k] = c->x.codes[at];
      scales[k / group_size] = c->x.scales[at / group_size];
      sums[k / group_size] = c->x.sums[at / group_size];
    }
    cvar_kernels_for(CVAR_ISA_SCALAR)
        ->matmul_quantized(&c->w, codes, scales, sums, 1, c->bias,
                           y + row * c->y_row_stride + col * c->w.rows, c->w.rows, c->tile_begin,
                           c->tile_end);
  }
  free(codes);
  free(scales);
  free(sums);
  return y;
}

static void compare(cvar_isa isa, const convolution *c, float *expected, float *found,
                    uint64_t seed, cvar_report *report) {
  ptrdiff_t offset = first_difference(expected, found, output_bytes(c));
  if (offset != PTRDIFF_MIN) {
    REPORT(report,
           "convolve_quantized %s: type %d group %d channels %d rows %d map %dx%d stride %d tiles "
           "%d..<%d seed %llu: byte %td",
           cvar_isa_name(isa), c->w.type, c->w.group_size, c->channels, c->w.rows, c->map.height,
           c->map.width, c->stride, c->tile_begin, c->tile_end, (unsigned long long)seed, offset);
  }
  release_guarded(expected);
  release_guarded(found);
}

// Widths around the blocks of tokens (4, 6), runs that are cut at 512 columns and runs that are not.
static const map_size sizes[] = {{1, 1, 1}, {2, 3, 1}, {3, 4, 2}, {1, 5, 1},
                                 {2, 6, 1}, {3, 7, 2}, {2, 13, 1}};
static const int32_t channel_counts[] = {32, 64, 96, 128, 192, 384};
static const int32_t row_counts[] = {1, 17, 32, 48, 41};

static void check_all(uint64_t seed, cvar_isa isa, int is_gathered, cvar_report *report) {
  random_source source = {seed};
  int pattern = 0;
  for (int t = 0; t < COUNT(quantized_types); t++) {
    for (int i = 0; i < COUNT(channel_counts) * COUNT(sizes); i++) {
      int32_t channels = channel_counts[i / COUNT(sizes)];
      if (channels % quantized_types[t].group_size != 0) continue;
      int32_t rows = row_counts[i % COUNT(row_counts)];
      convolution c = make_convolution(quantized_types[t], channels, rows, sizes[i % COUNT(sizes)],
                                       pattern, i % 3 != 0, &source);
      limit_codebook(&c.w, codebook_limits[i % COUNT(codebook_limits)]);
      pattern = (pattern + 1) % DATA_PATTERN_COUNT;
      if (rows == 48) c.tile_begin = 1;
      if (is_gathered) {
        compare(isa, &c, convolve_gathered(&c), convolve(isa, &c), seed, report);
      } else {
        compare(isa, &c, convolve(CVAR_ISA_SCALAR, &c), convolve(isa, &c), seed, report);
      }
      release_convolution(&c);
    }
  }
}

cvar_report cvar_check_convolve_quantized(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  check_all(seed, isa, 0, &report);
  return report;
}

cvar_report cvar_check_convolve_quantized_reference(uint64_t seed) {
  cvar_report report = {0};
  check_all(seed, CVAR_ISA_SCALAR, 1, &report);
  return report;
}
