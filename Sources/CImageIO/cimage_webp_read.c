#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

#include "cimage_internal.h"

static int32_t fail(cimage_error *error, VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return cimage_fail(error, CIMAGE_OUT_OF_MEMORY, "no memory for the WebP reader");
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA: return cimage_fail(error, CIMAGE_TRUNCATED, "the WebP data end early");
    case VP8_STATUS_UNSUPPORTED_FEATURE: return cimage_fail(error, CIMAGE_UNSUPPORTED, "an unknown feature");
    default: return cimage_fail(error, CIMAGE_CORRUPT, "malformed WebP data");
  }
}

// The count of bytes that the container says it has, its own head included.
static size_t container_size(const uint8_t *bytes) {
  return 8 + ((size_t)bytes[4] | (size_t)bytes[5] << 8 | (size_t)bytes[6] << 16 | (size_t)bytes[7] << 24);
}

int32_t cimage_webp_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error) {
  if (container_size(bytes) > byte_count) return fail(error, VP8_STATUS_NOT_ENOUGH_DATA);
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(bytes, byte_count, &features);
  if (status != VP8_STATUS_OK) return fail(error, status);
  if (features.has_animation) return cimage_fail(error, CIMAGE_UNSUPPORTED, "an animation, not one picture");
  header->width = (uint32_t)features.width;
  header->height = (uint32_t)features.height;
  // A lossless picture is kept as four bytes a pixel, with some rows; a lossy one as rows and its alpha. What has alpha
  // passes through four bytes a pixel here.
  uint64_t pixels = (uint64_t)header->width * header->height;
  enum { LOSSY = 1 };
  header->working_byte_count = (4 << 20) + (uint64_t)header->width * 256;
  if (features.format != LOSSY) header->working_byte_count += 4 * pixels;
  if (features.has_alpha) header->working_byte_count += 6 * pixels;
  return CIMAGE_OK;
}

static VP8StatusCode decode_into(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, WEBP_CSP_MODE mode, uint8_t *target) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return VP8_STATUS_UNSUPPORTED_FEATURE;
  size_t channels = mode == MODE_RGBA ? 4 : 3;
  config.output.colorspace = mode;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = target;
  config.output.u.RGBA.stride = (int)(header->width * channels);
  config.output.u.RGBA.size = (size_t)header->width * header->height * channels;
  VP8StatusCode status = WebPDecode(bytes, byte_count, &config);
  WebPFreeDecBuffer(&config.output);
  return status;
}

int32_t cimage_webp_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb,
    cimage_error *error) {
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(bytes, byte_count, &features);
  if (status != VP8_STATUS_OK) return fail(error, status);
  if (decoding->drops_alpha || !features.has_alpha) {
    status = decode_into(bytes, byte_count, header, MODE_RGB, rgb);
    return status == VP8_STATUS_OK ? CIMAGE_OK : fail(error, status);
  }
  size_t pixels = (size_t)header->width * header->height;
  uint8_t *rgba = malloc(pixels * 4);
  if (rgba == NULL) return fail(error, VP8_STATUS_OUT_OF_MEMORY);
  status = decode_into(bytes, byte_count, header, MODE_RGBA, rgba);
  if (status == VP8_STATUS_OK) cimage_lay_on_white(rgba, pixels, rgb, 1);
  free(rgba);
  return status == VP8_STATUS_OK ? CIMAGE_OK : fail(error, status);
}
