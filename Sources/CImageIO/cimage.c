#include "cimage_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t png_signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
static const uint8_t jpeg_signature[3] = {0xFF, 0xD8, 0xFF};

int32_t cimage_fail(cimage_error *error, int32_t code, const char *text) {
  if (error->code == CIMAGE_OK) {
    error->code = code;
    snprintf(error->text, sizeof error->text, "%s", text);
  }
  return error->code;
}

static int32_t format_of(const uint8_t *bytes, size_t byte_count) {
  if (byte_count >= sizeof png_signature && memcmp(bytes, png_signature, sizeof png_signature) == 0) {
    return CIMAGE_PNG;
  }
  if (byte_count >= sizeof jpeg_signature && memcmp(bytes, jpeg_signature, sizeof jpeg_signature) == 0) {
    return CIMAGE_JPEG;
  }
  return 0;
}

int32_t cimage_read_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error) {
  memset(error, 0, sizeof *error);
  memset(header, 0, sizeof *header);
  header->format = format_of(bytes, byte_count);
  switch (header->format) {
    case CIMAGE_PNG: return cimage_png_header(bytes, byte_count, header, error);
    case CIMAGE_JPEG: return cimage_jpeg_header(bytes, byte_count, header, error);
    default: return cimage_fail(error, CIMAGE_UNKNOWN_FORMAT, "neither PNG nor JPEG");
  }
}

int32_t cimage_decode_rgb(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, uint8_t *rgb, cimage_error *error) {
  memset(error, 0, sizeof *error);
  switch (header->format) {
    case CIMAGE_PNG: return cimage_png_decode(bytes, byte_count, header, rgb, error);
    case CIMAGE_JPEG: return cimage_jpeg_decode(bytes, byte_count, header, rgb, error);
    default: return cimage_fail(error, CIMAGE_UNKNOWN_FORMAT, "neither PNG nor JPEG");
  }
}

void cimage_free(uint8_t *bytes) { free(bytes); }
