#include "cimage_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

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
  if (byte_count >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) return CIMAGE_WEBP;
  return 0;
}

int32_t cimage_read_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error) {
  memset(error, 0, sizeof *error);
  memset(header, 0, sizeof *header);
  header->format = format_of(bytes, byte_count);
  switch (header->format) {
    case CIMAGE_PNG: return cimage_png_header(bytes, byte_count, header, error);
    case CIMAGE_JPEG: return cimage_jpeg_header(bytes, byte_count, header, error);
    case CIMAGE_WEBP: return cimage_webp_header(bytes, byte_count, header, error);
    default: return cimage_fail(error, CIMAGE_UNKNOWN_FORMAT, "neither PNG nor JPEG nor WebP");
  }
}

int32_t cimage_decode_rgb(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb,
    cimage_error *error) {
  memset(error, 0, sizeof *error);
  switch (header->format) {
    case CIMAGE_PNG: return cimage_png_decode(bytes, byte_count, header, decoding, rgb, error);
    case CIMAGE_JPEG: return cimage_jpeg_decode(bytes, byte_count, header, decoding, rgb, error);
    case CIMAGE_WEBP: return cimage_webp_decode(bytes, byte_count, header, decoding, rgb, error);
    default: return cimage_fail(error, CIMAGE_UNKNOWN_FORMAT, "neither PNG nor JPEG nor WebP");
  }
}

void cimage_lay_on_white(const uint8_t *rgba, size_t count, uint8_t *rgb, size_t step) {
  for (size_t i = 0; i < count; i++, rgba += 4, rgb += 3 * step) {
    uint32_t alpha = rgba[3];
    for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)((rgba[c] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
}

int32_t cimage_append(cimage_sink *sink, const uint8_t *bytes, size_t count) {
  if (count > sink->capacity - sink->byte_count) {
    size_t capacity = sink->capacity + sink->capacity / 2 + count;
    uint8_t *grown = realloc(sink->bytes, capacity);
    if (grown == NULL) return 0;
    sink->bytes = grown;
    sink->capacity = capacity;
  }
  memcpy(sink->bytes + sink->byte_count, bytes, count);
  sink->byte_count += count;
  return 1;
}

int32_t cimage_finish(cimage_sink *sink, uint8_t **bytes, size_t *byte_count, const cimage_error *error) {
  if (error->code != CIMAGE_OK) {
    free(sink->bytes);
    memset(sink, 0, sizeof *sink);
  }
  *bytes = sink->bytes;
  *byte_count = sink->byte_count;
  return error->code;
}

ptrdiff_t cimage_inflate(const uint8_t *bytes, size_t byte_count, uint8_t *target, size_t capacity) {
  uLongf count = capacity;
  return uncompress(target, &count, bytes, byte_count) == Z_OK ? (ptrdiff_t)count : -1;
}

void cimage_free(uint8_t *bytes) { free(bytes); }
