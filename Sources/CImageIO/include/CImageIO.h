#pragma once
#include <stddef.h>
#include <stdint.h>

// PNG and JPEG behind one interface. libpng and libjpeg leave by longjmp on an error: both ends of each jump stay
// inside one function of this target. Nothing is global; all functions may run on several threads.

enum {
  CIMAGE_OK = 0,
  CIMAGE_UNKNOWN_FORMAT,  // neither PNG nor JPEG
  CIMAGE_TRUNCATED,       // the file ends early
  CIMAGE_CORRUPT,         // damaged content
  CIMAGE_UNSUPPORTED,     // valid, but of a kind that is not handled
  CIMAGE_OUT_OF_MEMORY,
};

enum { CIMAGE_PNG = 1, CIMAGE_JPEG = 2 };

typedef struct {
  int32_t code;    // CIMAGE_*
  char text[216];  // the library's words, one line, NUL-terminated
} cimage_error;

typedef struct {
  int32_t format;  // CIMAGE_PNG or CIMAGE_JPEG
  uint32_t width, height;
} cimage_header;

// One text chunk of a PNG: tEXt where international is 0 (text is Latin-1), iTXt otherwise (UTF-8).
typedef struct {
  const char *keyword;  // 1...79 Latin-1 bytes, NUL-terminated
  const char *text;     // NUL-terminated
  int32_t international;
} cimage_text;

// Reads the extents only; allocates nothing that grows with them. Returns CIMAGE_OK or error->code.
int32_t cimage_read_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error);

// Decodes into rgb, [height, width, 3], which has the extents of the header. Alpha is dropped, grey is replicated,
// palettes and CMYK are expanded, 16 bits become the high 8; no orientation and no colour profile is applied.
int32_t cimage_decode_rgb(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, uint8_t *rgb, cimage_error *error);

// Encodes [height, width, 3] as PNG with the text chunks before the pixels. The caller frees *png with cimage_free.
int32_t cimage_encode_png(
    const uint8_t *rgb, uint32_t width, uint32_t height, const cimage_text *texts, size_t text_count, uint8_t **png,
    size_t *png_byte_count, cimage_error *error);

void cimage_free(uint8_t *bytes);
