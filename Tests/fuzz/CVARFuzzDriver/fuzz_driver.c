#include "CVARFuzzDriver.h"

// Absent from a program that only reads inputs again.
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *input, size_t count, size_t capacity);

size_t cvarfuzz_mutate(uint8_t *input, size_t count, size_t capacity) {
  return LLVMFuzzerMutate ? LLVMFuzzerMutate(input, count, capacity) : 0;
}
