#define _GNU_SOURCE
#include "CLineEditor.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct cline_editor {
  EditLine *edit;
  History *history;
  // libedit tells of terminals that it does not know: nobody needs to hear that.
  FILE *nowhere;
  // UTF-8, for the time of a call and for the calling thread alone.
  locale_t locale;
  char *prompt;
  bool (*stops)(void);
  bool is_stopped;
};

static cline_editor *self_of(EditLine *edit) {
  void *self = NULL;
  el_get(edit, EL_CLIENTDATA, &self);
  return self;
}

static char *prompt_of(EditLine *edit) { return self_of(edit)->prompt; }

// Bytes that are no UTF-8 become the replacement character.
static int next_character(EditLine *edit, wchar_t *character) {
  cline_editor *self = self_of(edit);
  mbstate_t state;
  memset(&state, 0, sizeof state);
  for (;;) {
    if (self->stops()) {
      self->is_stopped = true;
      return -1;
    }
    struct pollfd waiting = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&waiting, 1, 100) <= 0) continue;
    char byte;
    ssize_t count = read(STDIN_FILENO, &byte, 1);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return (int)count;
    size_t length = mbrtowc(character, &byte, 1, &state);
    if (length == (size_t)-2) continue;
    if (length == (size_t)-1) *character = 0xFFFD;
    return 1;
  }
}

static void bind_keys(EditLine *edit) {
  el_set(edit, EL_EDITOR, "emacs");
  el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
  // Home, End and Delete of terminals whose description is missing.
  el_set(edit, EL_BIND, "\\e[H", "ed-move-to-beg", NULL);
  el_set(edit, EL_BIND, "\\e[1~", "ed-move-to-beg", NULL);
  el_set(edit, EL_BIND, "\\e[F", "ed-move-to-end", NULL);
  el_set(edit, EL_BIND, "\\e[4~", "ed-move-to-end", NULL);
  el_set(edit, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
}

static bool start(cline_editor *self, const char *prompt, int history_length) {
  self->prompt = strdup(prompt);
  self->nowhere = fopen("/dev/null", "we");
  self->history = history_init();
  if (!self->prompt || !self->nowhere || !self->history) return false;
  self->edit = el_init("varlite", stdin, stderr, self->nowhere);
  if (!self->edit) return false;
  HistEvent event;
  history(self->history, &event, H_SETSIZE, history_length);
  history(self->history, &event, H_SETUNIQUE, 1);
  el_set(self->edit, EL_CLIENTDATA, self);
  el_set(self->edit, EL_PROMPT, prompt_of);
  el_set(self->edit, EL_HIST, history, self->history);
  el_set(self->edit, EL_GETCFN, next_character);
  bind_keys(self->edit);
  return true;
}

cline_editor *cline_open(const char *prompt, int history_length, bool (*stops)(void)) {
  cline_editor *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->stops = stops;
  self->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  locale_t before = self->locale ? uselocale(self->locale) : (locale_t)0;
  bool is_started = start(self, prompt, history_length);
  if (before) uselocale(before);
  if (is_started) return self;
  cline_close(self);
  return NULL;
}

void cline_close(cline_editor *self) {
  if (!self) return;
  if (self->edit) el_end(self->edit);
  if (self->history) history_end(self->history);
  if (self->nowhere) fclose(self->nowhere);
  if (self->locale) freelocale(self->locale);
  free(self->prompt);
  free(self);
}

int cline_read(cline_editor *self, const char **line) {
  locale_t before = self->locale ? uselocale(self->locale) : (locale_t)0;
  self->is_stopped = false;
  // The window may have changed since the last line.
  el_resize(self->edit);
  // Before the prompt: whoever sees it may type, and a terminal that edits lines itself would swallow Ctrl-D.
  el_set(self->edit, EL_PREP_TERM, 1);
  int count = 0;
  errno = 0;
  *line = el_gets(self->edit, &count);
  int reason = errno;
  if (before) uselocale(before);
  errno = reason;
  if (self->is_stopped) return CLINE_STOPPED;
  if (*line && count > 0) return CLINE_LINE;
  // A terminal that has hung up ends the lines without a reason.
  return count < 0 && reason != 0 ? CLINE_FAILED : CLINE_END;
}

void cline_remember(cline_editor *self, const char *line) {
  locale_t before = self->locale ? uselocale(self->locale) : (locale_t)0;
  HistEvent event;
  history(self->history, &event, H_ENTER, line);
  if (before) uselocale(before);
}
