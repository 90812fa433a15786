#ifndef CVARFUZZDRIVER_H
#define CVARFUZZDRIVER_H

#include <stddef.h>
#include <stdint.h>

// libFuzzer's own mutations; 0 in a program without libFuzzer.
size_t cvarfuzz_mutate(uint8_t *input, size_t count, size_t capacity);

#endif
