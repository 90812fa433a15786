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
