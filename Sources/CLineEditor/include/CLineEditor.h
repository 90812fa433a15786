#pragma once
#include <stdbool.h>

// Lines that are edited on a terminal, with a history. libedit does the work; its calls with variable arguments, which
// Swift cannot make, stay here. Without a description of the terminal libedit falls back to what every terminal can do.

typedef struct cline_editor cline_editor;

// Reads from standard input and shows on standard error. `stops` is asked some times a second while a line is awaited.
// NULL where there is no memory or no terminal.
cline_editor *cline_open(const char *prompt, int history_length, bool (*stops)(void));
void cline_close(cline_editor *editor);

enum { CLINE_LINE = 1, CLINE_END = 0, CLINE_STOPPED = -1, CLINE_FAILED = -2 };

// Waits for a line. On CLINE_LINE `*line` is the text with its line break, valid until the next call; on CLINE_FAILED
// errno says why. What was typed before CLINE_STOPPED is dropped.
int cline_read(cline_editor *editor, const char **line);

// Makes a line part of the history.
void cline_remember(cline_editor *editor, const char *line);
