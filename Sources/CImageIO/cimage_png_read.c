#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "cimage_internal.h"

typedef struct {
  const uint8_t *bytes;
  size_t byte_count;
  size_t position;
  cimage_error *error;
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
      "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0sTER\0tEXt\0tIME\0tRNS\0"
      "zTXt";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
#else
  (void)png;
#endif
}

static void read_pixels(png_structp png, png_infop info, const cimage_header *header, uint8_t *rgb) {
  size_t row_byte_count = (size_t)header->width * 3;
  if (png_get_image_width(png, info) != header->width || png_get_image_height(png, info) != header->height) {
    png_error(png, "the extents changed between two reads");
  }
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
  int pass_count = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != row_byte_count) png_error(png, "a row of unexpected size");
  for (int pass = 0; pass < pass_count; pass++) {
    for (uint32_t y = 0; y < header->height; y++) png_read_row(png, rgb + y * row_byte_count, NULL);
  }
  png_read_end(png, NULL);
}

// The jump ends here; what it may have changed lives in the caller, so that its values stay defined.
static void try_read(
    png_source *source, cimage_header *found, const cimage_header *expected, uint8_t *rgb) {
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
    read_pixels(source->png, source->info, expected, rgb);
  } else {
    found->width = png_get_image_width(source->png, source->info);
    found->height = png_get_image_height(source->png, source->info);
  }
}

static int32_t read_png(
    const uint8_t *bytes, size_t byte_count, cimage_header *found, const cimage_header *expected, uint8_t *rgb,
    cimage_error *error) {
  png_source source = {.bytes = bytes, .byte_count = byte_count, .error = error};
  try_read(&source, found, expected, rgb);
  if (source.png != NULL) png_destroy_read_struct(&source.png, &source.info, NULL);
  return error->code;
}

int32_t cimage_png_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error) {
  return read_png(bytes, byte_count, header, NULL, NULL, error);
}

int32_t cimage_png_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, uint8_t *rgb, cimage_error *error) {
  return read_png(bytes, byte_count, NULL, header, rgb, error);
}
