#pragma once

// What a program gets from whoever starts it. All of it is there before `main` runs.
//
// A program that links this target never finds a standard descriptor closed: /dev/null takes the place of each that is
// missing, before anything else of the program can open a file.

// The arguments as the system handed them over, the program's name first and NULL last; NULL where the C library does
// not tell. The language's own list is read from /proc, which chroots and sandboxes may lack.
const char *const *cvar_program_arguments(void);

// The path that was executed, which may be relative to the folder of that moment; NULL where the system does not tell.
const char *cvar_program_file(void);

// Has `handler` called for SIGINT, SIGTERM and SIGHUP, except for those that the program was started to ignore (nohup,
// background jobs of scripts). System calls go on after it, but for poll.
void cvar_program_catch_interrupts(void (*handler)(int signal_number));

// Whether address space or data are limited (ulimit -v, ulimit -d).
int cvar_program_has_memory_limit(void);

// Runs the program's work on a stack of 2 MiB at least, whatever the shell's limits are. Where memory is limited and
// refused to code that cannot say so, one line on standard error that begins with `program` and exit code 4 take the
// place of a signal.
void cvar_program_run(const char *program, void (*body)(void));
