#pragma once
#include "CImageIO.h"

// Sets code and text unless an earlier failure is recorded; returns the recorded code.
int32_t cimage_fail(cimage_error *error, int32_t code, const char *text);

int32_t cimage_png_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error);
int32_t cimage_png_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, uint8_t *rgb, cimage_error *error);

int32_t cimage_jpeg_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error);
int32_t cimage_jpeg_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, uint8_t *rgb, cimage_error *error);
