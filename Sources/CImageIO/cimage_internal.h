#pragma once
#include "CImageIO.h"

// Sets code and text unless an earlier failure is recorded; returns the recorded code.
int32_t cimage_fail(cimage_error *error, int32_t code, const char *text);

// Lays pixels of red, green, blue and alpha on white; the results stand `step` pixels apart in rgb.
void cimage_lay_on_white(const uint8_t *rgba, size_t count, uint8_t *rgb, size_t step);

// A file that grows in memory.
typedef struct {
  uint8_t *bytes;
  size_t byte_count, capacity;
} cimage_sink;

// Returns 0 where there is no memory; the sink then stays as it was.
int32_t cimage_append(cimage_sink *sink, const uint8_t *bytes, size_t count);

// Hands the bytes to the caller, or frees them after a failure. Returns error->code.
int32_t cimage_finish(cimage_sink *sink, uint8_t **bytes, size_t *byte_count, const cimage_error *error);

int32_t cimage_png_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error);
int32_t cimage_png_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb,
    cimage_error *error);

int32_t cimage_jpeg_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error);
int32_t cimage_jpeg_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb,
    cimage_error *error);

int32_t cimage_webp_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error);
int32_t cimage_webp_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb,
    cimage_error *error);
