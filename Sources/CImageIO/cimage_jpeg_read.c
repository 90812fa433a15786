#include <limits.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// After stddef.h and stdio.h, which jpeglib.h needs.
#include <jerror.h>
#include <jpeglib.h>

#include "cimage_internal.h"

// A picture of many tiny progressive scans costs a full pass for each; real files have about ten.
enum { MAXIMUM_SCAN_COUNT = 100 };

typedef struct {
  struct jpeg_error_mgr base;
  struct jpeg_progress_mgr progress;
  cimage_error *error;
  uint8_t *row;  // one row in four components
  jmp_buf failure;
} jpeg_state;

static _Noreturn void leave(j_common_ptr jpeg, int32_t code) {
  jpeg_state *state = (jpeg_state *)jpeg->err;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  cimage_fail(state->error, code, text);
  longjmp(state->failure, 1);
}

static _Noreturn void leave_with_text(j_common_ptr jpeg, int32_t code, const char *text) {
  jpeg_state *state = (jpeg_state *)jpeg->err;
  cimage_fail(state->error, code, text);
  longjmp(state->failure, 1);
}

static void on_error(j_common_ptr jpeg) {
  switch (jpeg->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE: leave(jpeg, CIMAGE_OUT_OF_MEMORY);
    case JERR_INPUT_EOF:
    case JERR_INPUT_EMPTY: leave(jpeg, CIMAGE_TRUNCATED);
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED: leave(jpeg, CIMAGE_UNSUPPORTED);
    default: leave(jpeg, CIMAGE_CORRUPT);
  }
}

// libjpeg goes on after damage and fills the rest with grey; a picture that is not what was sent is an error here.
static void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF: leave_with_text(jpeg, CIMAGE_TRUNCATED, "the JPEG data end early");
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL: leave(jpeg, CIMAGE_CORRUPT);
    default: return;
  }
}

static void on_output(j_common_ptr jpeg) { (void)jpeg; }

static void on_progress(j_common_ptr jpeg) {
  if (jpeg->is_decompressor && ((j_decompress_ptr)jpeg)->input_scan_number > MAXIMUM_SCAN_COUNT) {
    leave_with_text(jpeg, CIMAGE_UNSUPPORTED, "more than 100 scans");
  }
}

static void prepare(struct jpeg_decompress_struct *jpeg, jpeg_state *state, cimage_error *error) {
  memset(jpeg, 0, sizeof *jpeg);
  memset(state, 0, sizeof *state);
  jpeg->err = jpeg_std_error(&state->base);
  state->base.error_exit = on_error;
  state->base.emit_message = on_message;
  state->base.output_message = on_output;
  state->progress.progress_monitor = on_progress;
  state->error = error;
}

// - memory_limit: what whole-picture arrays may take with all that is there before them; it also replaces what the
//   variable JPEGMEM of the environment says.
static void start(
    struct jpeg_decompress_struct *jpeg, jpeg_state *state, const uint8_t *bytes, size_t byte_count,
    uint64_t memory_limit) {
  jpeg_create_decompress(jpeg);
  jpeg->mem->max_memory_to_use = memory_limit > LONG_MAX ? LONG_MAX : (long)memory_limit;
  jpeg->progress = &state->progress;
  // The oldest interface takes a pointer to mutable bytes; none writes to them.
  jpeg_mem_src(jpeg, (unsigned char *)bytes, (unsigned long)byte_count);
  jpeg_read_header(jpeg, TRUE);
}

static uint8_t product255(uint32_t a, uint32_t b) {
  uint32_t product = a * b + 128;
  return (uint8_t)(((product >> 8) + product) >> 8);
}

// JPEG files store the inks inverted, as Adobe writes them: 255 is no ink.
static void expand_cmyk(const uint8_t *row, uint8_t *rgb, uint32_t width) {
  for (uint32_t x = 0; x < width; x++) {
    uint32_t light = row[4 * x + 3];
    for (int c = 0; c < 3; c++) rgb[3 * x + c] = (uint8_t)(light - product255(255u - row[4 * x + c], light));
  }
}

static void expand_grey(const uint8_t *row, uint8_t *rgb, uint32_t width) {
  for (uint32_t x = 0; x < width; x++) rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = row[x];
}

// What a file of several scans needs until its last one has come: every coefficient.
static uint64_t coefficient_byte_count(struct jpeg_decompress_struct *jpeg) {
  if (!jpeg_has_multiple_scans(jpeg)) return 0;
  uint64_t blocks = 0;
  for (int c = 0; c < jpeg->num_components; c++) {
    const jpeg_component_info *component = &jpeg->comp_info[c];
    uint64_t across = component->h_samp_factor, down = component->v_samp_factor;
    blocks += (component->width_in_blocks + across - 1) / across * across *
              ((component->height_in_blocks + down - 1) / down * down);
  }
  return blocks * sizeof(JBLOCK);
}

static void read_pixels(
    struct jpeg_decompress_struct *jpeg, jpeg_state *state, const cimage_header *header,
    const cimage_decoding *decoding, uint8_t *rgb) {
  j_common_ptr common = (j_common_ptr)jpeg;
  switch (jpeg->num_components) {
    case 1: jpeg->out_color_space = JCS_GRAYSCALE; break;
    case 3: jpeg->out_color_space = JCS_RGB; break;
    case 4: jpeg->out_color_space = JCS_CMYK; break;
    default: leave_with_text(common, CIMAGE_UNSUPPORTED, "neither 1, 3 nor 4 colour components");
  }
  uint32_t reduction = decoding->reduction;
  uint32_t width = (header->width + reduction - 1) / reduction, height = (header->height + reduction - 1) / reduction;
  jpeg->scale_num = 1;
  jpeg->scale_denom = reduction;
  jpeg->dct_method = JDCT_ISLOW;
  jpeg_start_decompress(jpeg);
  if (jpeg->output_width != width || jpeg->output_height != height) {
    leave_with_text(common, CIMAGE_CORRUPT, "the extents changed between two reads");
  }
  state->row = malloc((size_t)width * 4);
  if (state->row == NULL) leave_with_text(common, CIMAGE_OUT_OF_MEMORY, "no memory for a row");
  while (jpeg->output_scanline < height) {
    uint8_t *target = rgb + (size_t)jpeg->output_scanline * width * 3;
    JSAMPROW row = jpeg->num_components == 3 ? target : state->row;
    if (jpeg_read_scanlines(jpeg, &row, 1) != 1) leave_with_text(common, CIMAGE_CORRUPT, "a missing row");
    if (jpeg->num_components == 1) expand_grey(row, target, width);
    if (jpeg->num_components == 4) expand_cmyk(row, target, width);
  }
  jpeg_finish_decompress(jpeg);
}

// What to read: the extents where rgb is NULL, else the pixels.
typedef struct {
  const uint8_t *bytes;
  size_t byte_count;
  cimage_header *found;
  const cimage_header *expected;
  const cimage_decoding *decoding;
  uint8_t *rgb;
} jpeg_task;

// The jump ends here; what it may have changed lives in the caller, so that its values stay defined.
static void try_read(struct jpeg_decompress_struct *jpeg, jpeg_state *state, const jpeg_task *task) {
  if (setjmp(state->failure) != 0) return;
  // A header needs no whole-picture array.
  start(jpeg, state, task->bytes, task->byte_count, task->rgb == NULL ? 1 << 20 : task->expected->working_byte_count);
  if (task->rgb != NULL) {
    read_pixels(jpeg, state, task->expected, task->decoding, task->rgb);
  } else {
    task->found->width = jpeg->image_width;
    task->found->height = jpeg->image_height;
    // Some rows of blocks, and the tables.
    task->found->working_byte_count =
        (1 << 20) + (uint64_t)jpeg->image_width * 256 + coefficient_byte_count(jpeg);
  }
}

static int32_t read_jpeg(const jpeg_task *task, cimage_error *error) {
  struct jpeg_decompress_struct jpeg;
  jpeg_state state;
  prepare(&jpeg, &state, error);
  try_read(&jpeg, &state, task);
  jpeg_destroy_decompress(&jpeg);
  free(state.row);
  return error->code;
}

int32_t cimage_jpeg_header(const uint8_t *bytes, size_t byte_count, cimage_header *header, cimage_error *error) {
  jpeg_task task = {.bytes = bytes, .byte_count = byte_count, .found = header};
  return read_jpeg(&task, error);
}

int32_t cimage_jpeg_decode(
    const uint8_t *bytes, size_t byte_count, const cimage_header *header, const cimage_decoding *decoding, uint8_t *rgb,
    cimage_error *error) {
  jpeg_task task = {
      .bytes = bytes, .byte_count = byte_count, .expected = header, .decoding = decoding, .rgb = rgb};
  return read_jpeg(&task, error);
}
