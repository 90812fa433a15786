#!/bin/sh
# Breaks the kernels on purpose, one lane, one tail or one swapped nibble at a time, and demands that the checks notice.
#
# Usage: Tests/c/mutate.sh [PATTERN]      only the mutants that match PATTERN (grep -E)
#
# mutants.txt has three lines for each: the instruction set, the file and the check that must notice; the text that is
# replaced; and what replaces it.
#
# Exit status 1 where a mutant survives, does not compile, or changes nothing. Skips instruction sets that this machine
# cannot run, the Arm ones where the cross compiler or the emulator is absent. Takes some two minutes of processor
# time, so `.ci/run` leaves it out.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)

# The instruction set whose objects serve this one, too.
machine_of() { if is_arm "$1"; then echo neon; else echo scalar; fi; }

is_arm() { case $1 in neon | dotprod | i8mm) true ;; *) false ;; esac; }

# compile ISA FOLDER FILE...: each file into an object and the list of what it includes; FOLDER holds the kernels.
compile() {
  isa=$1 folder=$2
  shift 2
  if is_arm "$isa"; then
    aarch64-linux-gnu-gcc -O1 -ffp-contract=off -MMD -I"$folder/include" -I"$root/Tests/c" -c "$@"
  else
    clang -O1 -ffp-contract=off -MMD -I"$folder/include" -I"$root/Tests/c" -c "$@"
  fi
}

# link_test ISA PROGRAM OBJECT...
link_test() {
  isa=$1 program=$2
  shift 2
  if is_arm "$isa"; then
    aarch64-linux-gnu-gcc -static "$@" -lm -o "$program"
  else
    clang "$@" -lm -o "$program"
  fi
}

# run_test ISA PROGRAM CHECK
run_test() {
  if is_arm "$1"; then qemu-aarch64-static -cpu max "$2" 7 "$3" "$1"; else "$2" 7 "$3" "$1"; fi
}

# build MACHINE: the objects of the unbroken kernels, whose checks must pass.
build() {
  mkdir -p "$work/$1"
  (cd "$work/$1" && compile "$1" "$work/source" "$work"/source/*.c "$root"/Tests/c/*.c)
  link_test "$1" "$work/$1.test" "$work/$1"/*.o
  cut -d'|' -f1,3 "$work/list" | sort -u | while IFS='|' read -r isa check; do
    [ "$(machine_of "$isa")" = "$1" ] || continue
    status=0
    run_test "$isa" "$work/$1.test" "$check" </dev/null >"$work/log" || status=$?
    [ "$status" != 1 ] || { cat "$work/log" && return 1; }
  done
}

# try MUTANT NUMBER: breaks one thing; says how it went.
try() {
  folder=$work/mutant.$2
  IFS='|' read -r isa file check old new <<END
$1
END
  machine=$(machine_of "$isa")
  [ -d "$work/$machine" ] || return 0
  mkdir "$folder" "$folder/objects"
  cp -r "$work/source" "$folder/source"
  old=$old new=$new awk '{
    at = index($0, ENVIRON["old"])
    if (at) $0 = substr($0, 1, at - 1) ENVIRON["new"] substr($0, at + length(ENVIRON["old"]))
    print
  }' "$work/source/$file" >"$folder/source/$file"
  if cmp -s "$work/source/$file" "$folder/source/$file"; then
    echo "CHANGES NOTHING $1"
    return 1
  fi
  # Only what includes the file is compiled again.
  objects= broken=
  for object in "$work/$machine"/*.o; do
    name=$(basename "$object" .o)
    if grep -q "/$file\\( \\|\$\\)" "${object%.o}.d" && [ -e "$folder/source/$name.c" ]; then
      broken="$broken $folder/source/$name.c"
    else
      objects="$objects $object"
    fi
  done
  if ! (cd "$folder/objects" && compile "$isa" "$folder/source" $broken) >"$folder/log" 2>&1; then
    echo "DOES NOT COMPILE $1"
    cat "$folder/log"
    return 1
  fi
  link_test "$isa" "$folder/test" $objects "$folder"/objects/*.o
  status=0
  run_test "$isa" "$folder/test" "$check" >"$folder/log" 2>&1 || status=$?
  rm -r "$folder"
  case $status in
    0) echo "SURVIVES $1" && return 1 ;;
    2) echo "skipped  $isa does not run here: $1" ;;
    *) echo "caught   $1" ;;
  esac
}

if [ "${1:-}" = --one ]; then
  work=$2
  try "$(sed -n "$3p" "$work/list")" "$3"
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$root/Sources/CVARKernels" "$work/source"
# One line each: isa|file|check|old|new.
paste -d'|' - - - <"$root/Tests/c/mutants.txt" | sed 's/ | /|/g; s/|[-+] /|/g' | grep -E -e "${1:-.}" >"$work/list"
if [ "$(uname -m)" = x86_64 ] && command -v clang >/dev/null; then
  build scalar
else
  echo "skipped: the x86-64 instruction sets need such a machine and clang"
fi
if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64-static >/dev/null; then
  build neon
else
  echo "skipped: the Arm instruction sets need aarch64-linux-gnu-gcc and qemu-aarch64-static"
fi
seq "$(wc -l <"$work/list")" | xargs -P "$(nproc)" -n 1 "$0" --one "$work"
