#!/bin/sh
# Runs the kernel checks for aarch64 under qemu, on processors without and with dotprod and i8mm.
# Compiles with clang, as SwiftPM does; GCC gives the C library and links. Skips with a message where one of them or the
# emulator is absent.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
for tool in clang aarch64-linux-gnu-gcc qemu-aarch64-static; do
  if ! command -v "$tool" >/dev/null; then
    echo "skipped: $tool is not installed (clang comes with Swift; Debian: gcc-aarch64-linux-gnu," \
      "libc6-dev-arm64-cross, qemu-user-static)"
    exit 0
  fi
done
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
# Several at a time: to compile takes as long as to run.
jobs=$(nproc)
printf '%s\n' "$root"/Sources/CVARKernels/*.c "$root"/Tests/c/*.c |
  xargs -P "$jobs" -I{} sh -c 'clang --target=aarch64-linux-gnu -I/usr/aarch64-linux-gnu/include \
    -O2 -Wall -Wextra -Werror -ffp-contract=off -I"$1/Sources/CVARKernels/include" -c "$3" \
    -o "$2/$(basename "$3" .c).o"' - "$root" "$build" {}
aarch64-linux-gnu-gcc -static "$build"/*.o -lm -o "$build/kernels_test"
processors="cortex-a53 cortex-a72 cortex-a76 max"
result=0
# Plain kernels are the same instructions on all of them, and half of the time: one runs them.
printf '%s\n' $processors |
  xargs -P "$jobs" -I{} sh -c 'test "$2" = max || vector="7 vector"
    qemu-aarch64-static -cpu "$2" "$1/kernels_test" $vector >"$1/$2.log" 2>&1' \
    - "$build" {} || result=1
for processor in $processors; do
  echo "-- $processor"
  cat "$build/$processor.log"
done
exit $result
