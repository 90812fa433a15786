#pragma once
#include <stddef.h>
#include <stdint.h>

// PNG, JPEG and WebP behind one interface. libpng and libjpeg leave by longjmp on an error: both ends of each jump stay
// inside one function of this target. Nothing is global; all functions may run on several threads.

enum {
  CIMAGE_OK = 0,
  CIMAGE_UNKNOWN_FORMAT,  // neither PNG nor JPEG nor WebP
  CIMAGE_TRUNCATED,       // the file ends early
  CIMAGE_CORRUPT,         // damaged content
  CIMAGE_UNSUPPORTED,     // valid, but of a kind that is not handled
  CIMAGE_OUT_OF_MEMORY,
};

enum { CIMAGE_PNG = 1, CIMAGE_JPEG = 2, CIMAGE_WEBP = 3 };

typedef struct {
  int32_t code;    // CIMAGE_*
  char text[216];  // the library's words, one line, NUL-terminated
} cimage_error;

typedef struct {
  int32_t format;  // CIMAGE_PNG, CIMAGE_JPEG or CIMAGE_WEBP
  uint32_t width, height;
  // What decoding allocates at most, beside the pixels that it returns.
  uint64_t working_byte_count;
} cimage_header;

// How a picture is decoded.
typedef struct {
  // 1, 2, 4 or 8: each side becomes this part of its length, rounded up. Only JPEG takes others than 1.
  uint32_t reduction;
  // Whether transparent pixels keep their colour; else they lie on white.
  int32_t drops_alpha;
} cimage_decoding;

// One text chunk of a PNG: tEXt where international is 0 (text is Latin-1), iTXt otherwise (UTF-8).
typedef struct {
  const char *keyword;  // 1...79 Latin-1 bytes, NUL-terminated
  const char *text;     // NUL-terminated
  int32_t international;
} cimage_text;

// Reads the extents only; allocates nothing that grows with them. Returns CIMAGE_OK or error->code.
int32_t cimage_read_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error);

// Decodes into rgb, [ceil(height / reduction), ceil(width / reduction), 3]. Grey is replicated, palettes and CMYK are
// expanded, 16 bits become the high 8. Where alpha is kept, a sample c under alpha a becomes the byte nearest to
// (c * a + 255 * (255 - a)) / 255. No orientation and no colour profile is applied.
int32_t cimage_decode_rgb(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb,
    cimage_error *error);

// Encodes [height, width, 3] as PNG with the text chunks before the pixels: quickly, or as a small file. The caller
// frees *png with cimage_free.
int32_t cimage_encode_png(
    const uint8_t *rgb, uint32_t width, uint32_t height, const cimage_text *texts, size_t text_count,
    int32_t is_quick, uint8_t **png, size_t *png_byte_count, cimage_error *error);

// Encodes [height, width, 3] as baseline JPEG of a quality from 1 to 100; colours are not subsampled. A comment of
// UTF-8 stands before the pixels, in several segments where one cannot hold it. The caller frees *jpeg by cimage_free.
int32_t cimage_encode_jpeg(
    const uint8_t *rgb, uint32_t width, uint32_t height, int32_t quality, const char *comment,
    size_t comment_byte_count, uint8_t **jpeg, size_t *jpeg_byte_count, cimage_error *error);

// Inflates a zlib stream. Returns the count of bytes, or -1 where they are damaged or more than the capacity.
ptrdiff_t cimage_inflate(const uint8_t *bytes, size_t byte_count, uint8_t *target, size_t capacity);

void cimage_free(uint8_t *bytes);
