"""Estimates the cycles of the int4 products on Arm processors, where no board is at hand.

    python3 Tests/c/arm_cycles.py

Compiles the products with clang, lets qemu name every instruction that they run for a matrix of 32
rows and 512 columns, and gives that sequence to llvm-mca, which has published models of pipelines:
those of Cortex-A57, which LLVM takes for Cortex-A72 too, and of Neoverse N1, Arm's server sibling
of Cortex-A76. Weights and activations are taken to be in the first-level cache and branches to be
foreseen. Needs clang, gcc-aarch64-linux-gnu with libc6-dev-arm64-cross, qemu-user-static before
8.1 and llvm-mca 17 or newer. Prints a Markdown table.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "Sources" / "CVARKernels"
INCLUDES = ["-I", str(KERNELS / "include"), "-isystem", "/usr/aarch64-linux-gnu/include"]
PARTS = ["matmul_quantized_neon", "matmul_quantized_dotprod", "quantized_panel"]
ROWS, COLS = 32, 512
PROGRAM = """
#include <stdlib.h>
#include <string.h>
#include "cvar_kernels.h"
enum { ROWS = %d, COLS = %d, GROUP = 32, GROUPS = COLS / GROUP, MOST = 64 };
typedef void product(const cvar_matrix *, const int8_t *, const float *, const int32_t *, int32_t,
                     const float *, float *, ptrdiff_t, int32_t, int32_t);
product cvar_matmul_quantized_neon, cvar_matmul_quantized_dotprod;
static uint8_t codes[ROWS * COLS / 2];
static int8_t scales[ROWS * GROUPS], activations[MOST * COLS];
static uint16_t superscales[ROWS * COLS / 256];
static float activation_scales[MOST * GROUPS], y[MOST * ROWS];
static int32_t sums[MOST * GROUPS];

int main(int count, char **words) {
  cvar_matrix w = {CVAR_INT4, ROWS, COLS, GROUP, codes, scales, superscales, {0}};
  int limit = count == 4 ? atoi(words[3]) : 0;
  for (int i = 0; i < 16; i++) w.codebook[i] = (int8_t)(-limit + i * 2 * limit / 15);
  int neon = strcmp(words[1], "neon") == 0;
  (neon ? cvar_matmul_quantized_neon : cvar_matmul_quantized_dotprod)(
      &w, activations, activation_scales, sums, atoi(words[2]), NULL, y, ROWS, 0, ROWS / 16);
}
""" % (ROWS, COLS)
# Title, kernels, largest entry of the codebook, processor and model of LLVM.
CASES = [
    ("Cortex-A72, neon, narrow", "neon", 31, "cortex-a72"),
    ("Cortex-A72, neon, wide", "neon", 127, "cortex-a72"),
    ("Cortex-A76, neon, narrow", "neon", 31, "neoverse-n1"),
    ("Cortex-A76, neon, wide", "neon", 127, "neoverse-n1"),
    ("Cortex-A76, dotprod", "dotprod", 31, "neoverse-n1"),
]
# What the models call the pipes of vectors and of loads.
PIPES = {
    "A57UnitW": "F0", "A57UnitX": "F1", "A57UnitL": "loads",
    "N1UnitV0": "V0", "N1UnitV1": "V1", "N1UnitL": "loads",
}


def run(command: list[str], **settings) -> str:
    """What a program prints, on both ways."""
    done = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        **settings)
    return done.stdout


def build(folder: Path) -> Path:
    """The program of all products, which lie in a section of their own."""
    source, program = folder / "main.c", folder / "main"
    source.write_text(PROGRAM, encoding="utf-8")
    objects = []
    for path in [source, *(KERNELS / f"{part}.c" for part in PARTS)]:
        objects.append(str(folder / f"{path.stem}.o"))
        run(["clang", "--target=aarch64-linux-gnu", "-O2", "-ffp-contract=off", *INCLUDES, "-c",
             str(path), "-o", objects[-1]])
        if path != source:
            run(["aarch64-linux-gnu-objcopy", "--rename-section", ".text=kernels", objects[-1]])
    run(["aarch64-linux-gnu-gcc", "-static", *objects, "-o", str(program)])
    return program


def instructions(program: Path) -> dict[int, str]:
    """The kernels' instructions by address; places that they name become 0."""
    text = run(
        ["aarch64-linux-gnu-objdump", "-d", "-j", "kernels", "--no-show-raw-insn", str(program)])
    return {
        int(at, 16): re.sub(r"[0-9a-f]+ <[^>]*>", "#0", line.split("//")[0].strip())
        for at, line in re.findall(r"^\s+([0-9a-f]+):\t(.*)$", text, re.M)}


def trace(program: Path, code: dict[int, str], kernels: str, tokens: int, limit: int) -> list[str]:
    """The kernels' instructions in the order in which they ran."""
    log = run(
        ["qemu-aarch64-static", "-cpu", "max", "-singlestep", "-d", "exec,nochain", "-dfilter",
         f"{min(code):#x}..{max(code):#x}", str(program), kernels, str(tokens), str(limit)])
    places = re.findall(r"\[[0-9a-f]+/([0-9a-f]+)/", log)
    return [code[int(place, 16)] for place in places]


def estimate(mca: str, model: str, sequence: list[str]) -> tuple[int, dict[str, float]]:
    """Cycles of the sequence, and those in which each pipe is busy."""
    text = run(
        [mca, "-mtriple=aarch64", f"-mcpu={model}", "-mattr=+dotprod", "-iterations=1",
         "-instruction-info=0"], input="\n".join(sequence) + "\n")
    cycles = int(re.search(r"Total Cycles:\s+(\d+)", text)[1])
    names = re.findall(r"^\[[\d.]+\]\s+- (\w+)$", text, re.M)
    values = re.search(r"Resource pressure per iteration:\n.*\n(.*)\n", text)[1].split()
    pressure: dict[str, float] = {}
    for name, value in zip(names, values, strict=True):
        if name in PIPES and value != "-":
            pressure[PIPES[name]] = max(pressure.get(PIPES[name], 0), float(value))
    return cycles, pressure


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mca", default="llvm-mca", help="llvm-mca's name")
    parser.add_argument("--tokens", default="1,4,16,64", help="rows of activations, at most 64")
    options = parser.parse_args()
    tokens = [int(part) for part in options.tokens.split(",")]
    print("| for 64 products: instructions; cycles (pipes' busy cycles) |"
          + "".join(f" {count} |" for count in tokens))
    print("|" + " --- |" * (len(tokens) + 1))
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        code = instructions(program)
        for title, kernels, limit, model in CASES:
            cells = []
            for count in tokens:
                sequence = trace(program, code, kernels, count, limit)
                cycles, pressure = estimate(options.mca, model, sequence)
                scale = 64 / (ROWS * COLS * count)
                pipes = ", ".join(f"{k} {v * scale:.1f}" for k, v in sorted(pressure.items()))
                cells.append(f"{len(sequence) * scale:.1f}; {cycles * scale:.1f} ({pipes})")
            print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
