#!/bin/sh
# Runs the kernel checks for aarch64 under qemu, on processors without and with dotprod and i8mm.
# Skips with a message where the cross compiler or the emulator is absent.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
for tool in aarch64-linux-gnu-gcc qemu-aarch64-static; do
  if ! command -v "$tool" >/dev/null; then
    echo "skipped: $tool is not installed (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross," \
      "qemu-user-static)"
    exit 0
  fi
done
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
aarch64-linux-gnu-gcc -O2 -static -Wall -Wextra -Werror -ffp-contract=off \
  -I"$root/Sources/CVARKernels/include" "$root"/Sources/CVARKernels/*.c "$root"/Tests/c/*.c \
  -lm -o "$build/kernels_test"
for processor in cortex-a53 cortex-a72 cortex-a76 max; do
  echo "-- $processor"
  qemu-aarch64-static -cpu "$processor" "$build/kernels_test"
done
