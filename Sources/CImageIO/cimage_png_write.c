#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "cimage_internal.h"

typedef struct {
  cimage_sink file;
  cimage_error *error;
  png_structp png;
  png_infop info;
  jmp_buf failure;
} png_sink;

static void on_error(png_structp png, png_const_charp text) {
  png_sink *sink = png_get_error_ptr(png);
  cimage_fail(sink->error, CIMAGE_UNSUPPORTED, text);
  longjmp(sink->failure, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void on_write(png_structp png, png_bytep bytes, size_t count) {
  png_sink *sink = png_get_io_ptr(png);
  if (cimage_append(&sink->file, bytes, count)) return;
  cimage_fail(sink->error, CIMAGE_OUT_OF_MEMORY, "no memory for the PNG file");
  longjmp(sink->failure, 1);
}

static void on_flush(png_structp png) { (void)png; }

static void write_picture(
    png_structp png, png_infop info, const uint8_t *rgb, uint32_t width, uint32_t height, const cimage_text *texts,
    size_t text_count, int32_t is_quick) {
  if (is_quick) {
    png_set_compression_level(png, 1);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
  }
  png_set_IHDR(
      png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
      PNG_FILTER_TYPE_BASE);
  for (size_t i = 0; i < text_count; i++) {
    // The library copies the strings and does not write to them.
    png_text text = {
        .compression = texts[i].international ? PNG_ITXT_COMPRESSION_NONE : PNG_TEXT_COMPRESSION_NONE,
        .key = (png_charp)texts[i].keyword,
        .text = (png_charp)texts[i].text,
    };
    if (texts[i].international) {
      text.itxt_length = strlen(texts[i].text);
    } else {
      text.text_length = strlen(texts[i].text);
    }
    png_set_text(png, info, &text, 1);
  }
  png_write_info(png, info);
  for (uint32_t y = 0; y < height; y++) png_write_row(png, rgb + (size_t)y * width * 3);
  png_write_end(png, NULL);
}

// The jump ends here; what it may have changed lives in the caller, so that its values stay defined.
static void try_write(
    png_sink *sink, const uint8_t *rgb, uint32_t width, uint32_t height, const cimage_text *texts, size_t text_count,
    int32_t is_quick) {
  if (setjmp(sink->failure) != 0) return;
  sink->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, sink, on_error, on_warning);
  if (sink->png != NULL) sink->info = png_create_info_struct(sink->png);
  if (sink->info == NULL) {
    cimage_fail(sink->error, CIMAGE_OUT_OF_MEMORY, "no memory for the PNG writer");
    return;
  }
  png_set_write_fn(sink->png, sink, on_write, on_flush);
  write_picture(sink->png, sink->info, rgb, width, height, texts, text_count, is_quick);
}

int32_t cimage_encode_png(
    const uint8_t *rgb, uint32_t width, uint32_t height, const cimage_text *texts, size_t text_count,
    int32_t is_quick, uint8_t **png, size_t *png_byte_count, cimage_error *error) {
  memset(error, 0, sizeof *error);
  png_sink sink = {.error = error};
  try_write(&sink, rgb, width, height, texts, text_count, is_quick);
  if (sink.png != NULL) png_destroy_write_struct(&sink.png, &sink.info);
  return cimage_finish(&sink.file, png, png_byte_count, error);
}
