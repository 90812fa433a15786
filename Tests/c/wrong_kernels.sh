#!/bin/sh
# Breaks a kernel of the built `varlite` on purpose; `varlite check` must name the kernels, and nothing else.
#
# Usage: Tests/c/wrong_kernels.sh [PATTERN]...
#
# Each PATTERN (grep -E) takes the first mutant of mutants.txt that it matches; without one, some that a small model
# meets. Skips instruction sets that this machine cannot run. Needs `swift build -c release` before, clang and swiftc;
# the working tree stays as it is. Exit status 1 where a broken program finds nothing, or blames the file. A mutant that
# breaks what no layer of the model does, as the ends of rows that are no multiples of 16, is the C checks' to find.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/.build/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- '^avx2[|]matmul_quantized_avx2.c' '^avx2[|]attention_lanes' \
  '^avx2[|]quantized_panel.c[|]convolve' '^avxvnni[|]matmul' '^avx512vnni[|]matmul' '^neon[|]matmul' '^i8mm[|]'

"$build/varconvert" "$root/Tests/Fixtures/tiny" -o "$work/m.vq4" --precision int8 --canaries --quiet >"$work/log"
"$build/varlite" check "$work/m.vq4" --quiet

# One line each: isa|file|check|old|new.
paste -d'|' - - - <"$root/Tests/c/mutants.txt" | sed 's/ | /|/g; s/|[-+] /|/g' >"$work/list"

# try MUTANT: links varlite with the broken file, and checks the model with it.
try() {
  IFS='|' read -r isa file check old new <<END
$1
END
  "$build/varlite" check "$work/m.vq4" --isa "$isa" --quiet 2>"$work/log" || {
    grep -q 'does not run on this machine' "$work/log" || { cat "$work/log" && return 1; }
    echo "skipped  $isa does not run here: $1"
    return 0
  }
  rm -rf "$work/source" "$work/objects"
  cp -r "$root/Sources/CVARKernels" "$work/source"
  mkdir "$work/objects"
  old=$old new=$new awk '{
    at = index($0, ENVIRON["old"])
    if (at) $0 = substr($0, 1, at - 1) ENVIRON["new"] substr($0, at + length(ENVIRON["old"]))
    print
  }' "$root/Sources/CVARKernels/$file" >"$work/source/$file"
  # All that include the file are compiled again, and take the place of their objects.
  cp "$build/varlite.product/Objects.LinkFileList" "$work/list.objects"
  for source in "$work"/source/*.c; do
    name=$(basename "$source")
    clang -MM -I"$work/source/include" "$source" | grep -q "/$file\\( \|\$\\)" || continue
    clang -O2 -I"$work/source/include" -c "$source" -o "$work/objects/$name.o"
    sed -i "s|^.*/CVARKernels.build/$name.o\$|$work/objects/$name.o|" "$work/list.objects"
  done
  swiftc -emit-executable -o "$work/varlite" "@$work/list.objects" -L"$build" \
    -Xlinker --defsym=main=VARLiteCLI_main \
    $(pkg-config --libs libzstd libxxhash libpng libjpeg libwebp zlib libedit) >"$work/log" 2>&1 || {
    cat "$work/log"
    return 1
  }
  status=0
  "$work/varlite" check "$work/m.vq4" --isa "$isa" --quiet 2>"$work/log" || status=$?
  cat "$work/log"
  if [ "$status" = 1 ] && grep -q "the $isa kernels are wrong on this machine" "$work/log" &&
    ! grep -q 'does not belong' "$work/log"; then
    echo "caught   $1"
  else
    echo "SURVIVES ($status) $1"
    return 1
  fi
}

failed=0
for pattern; do
  mutant=$(grep -E -e "$pattern" "$work/list" | head -n 1)
  [ -n "$mutant" ] || { echo "no mutant matches $pattern" && exit 2; }
  try "$mutant" || failed=1
done
exit "$failed"
