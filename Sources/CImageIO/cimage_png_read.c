#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "cimage_internal.h"

typedef struct {
  const uint8_t *bytes;
  size_t byte_count;
  size_t position;
  cimage_error *error;
  uint8_t *row;  // one row of a pass
  png_structp png;
  png_infop info;
  jmp_buf failure;
} png_source;

static void on_error(png_structp png, png_const_charp text) {
  png_source *source = png_get_error_ptr(png);
  cimage_fail(source->error, CIMAGE_CORRUPT, text);
  longjmp(source->failure, 1);
}

// Warnings concern ancillary chunks, which are not used.
static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void on_read(png_structp png, png_bytep target, size_t count) {
  png_source *source = png_get_io_ptr(png);
  if (count > source->byte_count - source->position) {
    cimage_fail(source->error, CIMAGE_TRUNCATED, "the PNG data end early");
    longjmp(source->failure, 1);
  }
  memcpy(target, source->bytes + source->position, count);
  source->position += count;
}

// A compressed profile or text can blow up to any size: chunks that do not change the pixels are skipped unread.
static void skip_ancillary_chunks(png_structp png) {
#ifdef PNG_HANDLE_AS_UNKNOWN_SUPPORTED
  static const png_byte names[] =
      "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0sTER\0tEXt\0tIME\0zTXt";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
#else
  (void)png;
#endif
}

// Puts a row of a pass where its pixels belong: `step` pixels apart.
static void place(const uint8_t *row, size_t count, size_t channels, uint8_t *rgb, size_t step) {
  if (channels == 4) {
    cimage_lay_on_white(row, count, rgb, step);
  } else {
    for (size_t x = 0; x < count; x++) memcpy(rgb + 3 * x * step, row + 3 * x, 3);
  }
}

// Adam7: seven passes over pixels of growing density, each with rows of its own.
static void read_passes(png_source *source, const cimage_header *header, size_t channels, uint8_t *rgb) {
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++) {
    uint32_t columns = PNG_PASS_COLS(header->width, pass), rows = PNG_PASS_ROWS(header->height, pass);
    if (columns == 0) continue;
    for (uint32_t y = 0; y < rows; y++) {
      png_read_row(source->png, source->row, NULL);
      size_t target = (size_t)PNG_ROW_FROM_PASS_ROW(y, pass) * header->width + PNG_PASS_START_COL(pass);
      place(source->row, columns, channels, rgb + 3 * target, PNG_PASS_COL_OFFSET(pass));
    }
  }
}

static void read_pixels(
    png_source *source, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb) {
  png_structp png = source->png;
  png_infop info = source->info;
  if (png_get_image_width(png, info) != header->width || png_get_image_height(png, info) != header->height) {
    png_error(png, "the extents changed between two reads");
  }
  // Colours that count as transparent are compared at their full depth: libpng expands before it drops low bytes.
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  if (decoding->drops_alpha) png_set_strip_alpha(png);
  png_read_update_info(png, info);
  size_t channels = png_get_channels(png, info);
  if (channels < 3 || channels > 4 || png_get_rowbytes(png, info) != header->width * channels) {
    png_error(png, "a row of unexpected size");
  }
  source->row = malloc(header->width * channels);
  if (source->row == NULL) {
    cimage_fail(source->error, CIMAGE_OUT_OF_MEMORY, "no memory for a row");
    longjmp(source->failure, 1);
  }
  if (png_get_interlace_type(png, info) == PNG_INTERLACE_NONE) {
    for (uint32_t y = 0; y < header->height; y++) {
      png_read_row(png, source->row, NULL);
      place(source->row, header->width, channels, rgb + (size_t)y * header->width * 3, 1);
    }
  } else {
    read_passes(source, header, channels, rgb);
  }
  png_read_end(png, NULL);
}

// The jump ends here; what it may have changed lives in the caller, so that its values stay defined.
static void try_read(
    png_source *source, cimage_header *found, const cimage_header *expected, const cimage_decoding *decoding,
    uint8_t *rgb) {
  if (setjmp(source->failure) != 0) return;
  source->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, source, on_error, on_warning);
  if (source->png != NULL) source->info = png_create_info_struct(source->png);
  if (source->info == NULL) {
    cimage_fail(source->error, CIMAGE_OUT_OF_MEMORY, "no memory for the PNG reader");
    return;
  }
  skip_ancillary_chunks(source->png);
  png_set_read_fn(source->png, source, on_read);
  png_read_info(source->png, source->info);
  if (rgb != NULL) {
    read_pixels(source, expected, decoding, rgb);
  } else {
    found->width = png_get_image_width(source->png, source->info);
    found->height = png_get_image_height(source->png, source->info);
    // Some rows of up to eight bytes a pixel, and the state of zlib.
    found->working_byte_count = (1 << 20) + (uint64_t)found->width * 32;
  }
}

static int32_t read_png(
    const uint8_t *bytes, size_t byte_count, cimage_header *found, const cimage_header *expected,
    const cimage_decoding *decoding, uint8_t *rgb, cimage_error *error) {
  png_source source = {.bytes = bytes, .byte_count = byte_count, .error = error};
  try_read(&source, found, expected, decoding, rgb);
  if (source.png != NULL) png_destroy_read_struct(&source.png, &source.info, NULL);
  free(source.row);
  return error->code;
}

int32_t cimage_png_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error) {
  return read_png(bytes, byte_count, header, NULL, NULL, NULL, error);
}

int32_t cimage_png_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb,
    cimage_error *error) {
  return read_png(bytes, byte_count, NULL, header, decoding, rgb, error);
}
