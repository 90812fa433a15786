#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// After stddef.h and stdio.h, which jpeglib.h needs.
#include <jerror.h>
#include <jpeglib.h>

#include "cimage_internal.h"

// A comment segment holds 65533 bytes at most.
enum { LARGEST_COMMENT = 65533 };

typedef struct {
  struct jpeg_error_mgr base;
  struct jpeg_destination_mgr destination;
  cimage_error *error;
  cimage_sink sink;
  JOCTET buffer[16384];
  jmp_buf failure;
} jpeg_state;

static _Noreturn void on_error(j_common_ptr jpeg) {
  jpeg_state *state = (jpeg_state *)jpeg->err;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  int isMemory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
  cimage_fail(state->error, isMemory ? CIMAGE_OUT_OF_MEMORY : CIMAGE_UNSUPPORTED, text);
  longjmp(state->failure, 1);
}

static void on_output(j_common_ptr jpeg) { (void)jpeg; }

static void start_buffer(j_compress_ptr jpeg) {
  jpeg_state *state = (jpeg_state *)jpeg->err;
  jpeg->dest->next_output_byte = state->buffer;
  jpeg->dest->free_in_buffer = sizeof state->buffer;
}

static void store(j_compress_ptr jpeg, size_t count) {
  jpeg_state *state = (jpeg_state *)jpeg->err;
  if (cimage_append(&state->sink, state->buffer, count)) return;
  cimage_fail(state->error, CIMAGE_OUT_OF_MEMORY, "no memory for the JPEG file");
  longjmp(state->failure, 1);
}

static boolean on_full_buffer(j_compress_ptr jpeg) {
  store(jpeg, sizeof ((jpeg_state *)jpeg->err)->buffer);
  start_buffer(jpeg);
  return TRUE;
}

static void on_end(j_compress_ptr jpeg) {
  store(jpeg, sizeof ((jpeg_state *)jpeg->err)->buffer - jpeg->dest->free_in_buffer);
}

static void write_comment(struct jpeg_compress_struct *jpeg, const char *comment, size_t count) {
  while (count > 0) {
    size_t part = count < LARGEST_COMMENT ? count : LARGEST_COMMENT;
    // A character of several bytes stays whole.
    while (part < count && part > 1 && ((uint8_t)comment[part] & 0xC0) == 0x80) part--;
    jpeg_write_marker(jpeg, JPEG_COM, (const JOCTET *)comment, (unsigned)part);
    comment += part;
    count -= part;
  }
}

static void write_picture(
    struct jpeg_compress_struct *jpeg, const uint8_t *rgb, int32_t quality, const char *comment,
    size_t comment_byte_count) {
  jpeg->input_components = 3;
  jpeg->in_color_space = JCS_RGB;
  jpeg_set_defaults(jpeg);
  jpeg_set_quality(jpeg, quality, TRUE);
  jpeg->dct_method = JDCT_ISLOW;
  jpeg->optimize_coding = TRUE;
  for (int c = 0; c < jpeg->num_components; c++) {
    jpeg->comp_info[c].h_samp_factor = jpeg->comp_info[c].v_samp_factor = 1;
  }
  jpeg_start_compress(jpeg, TRUE);
  write_comment(jpeg, comment, comment_byte_count);
  while (jpeg->next_scanline < jpeg->image_height) {
    // The library does not write to the rows.
    JSAMPROW row = (JSAMPROW)(rgb + (size_t)jpeg->next_scanline * jpeg->image_width * 3);
    jpeg_write_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_compress(jpeg);
}

// The jump ends here; what it may have changed lives in the caller, so that its values stay defined.
static void try_write(
    struct jpeg_compress_struct *jpeg, jpeg_state *state, const uint8_t *rgb, uint32_t width, uint32_t height,
    int32_t quality, const char *comment, size_t comment_byte_count) {
  if (setjmp(state->failure) != 0) return;
  jpeg_create_compress(jpeg);
  jpeg->dest = &state->destination;
  jpeg->image_width = width;
  jpeg->image_height = height;
  write_picture(jpeg, rgb, quality, comment, comment_byte_count);
}

int32_t cimage_encode_jpeg(
    const uint8_t *rgb, uint32_t width, uint32_t height, int32_t quality, const char *comment,
    size_t comment_byte_count, uint8_t **jpeg, size_t *jpeg_byte_count, cimage_error *error) {
  memset(error, 0, sizeof *error);
  struct jpeg_compress_struct compressor;
  jpeg_state state;
  memset(&compressor, 0, sizeof compressor);
  memset(&state, 0, sizeof state);
  compressor.err = jpeg_std_error(&state.base);
  state.base.error_exit = on_error;
  state.base.output_message = on_output;
  state.destination.init_destination = start_buffer;
  state.destination.empty_output_buffer = on_full_buffer;
  state.destination.term_destination = on_end;
  state.error = error;
  try_write(&compressor, &state, rgb, width, height, quality, comment, comment_byte_count);
  jpeg_destroy_compress(&compressor);
  return cimage_finish(&state.sink, jpeg, jpeg_byte_count, error);
}
