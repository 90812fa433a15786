"""Compares VARLite with llama.cpp, ik_llama.cpp and PyTorch here; prints Markdown tables.

    python3 Tests/peers/compare.py --varbench .build/release/varbench --work DIR [--isa avx2]

Needs Python 3.11, C and C++ compilers, and in DIR 25 GB of disk; DIR keeps the environments of the
peers, the GGUF files of random weights and every line that was measured (results.jsonl). Sides take
turns, so that what changes on the machine meets all of them; ratios are of one round each. With
`--isa avx2` nobody has more than AVX2, FMA and F16C: the peers are compiled, or told, so.
"""

import argparse
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

import environments
from sides import HERE, Results, Runner, Side
from table import Table

OURS = "VARLite int4"
LONG = "VARLite int4, long prompt"
# Which setting of a program is the best depends on the task and the processor: the table has all.
# The head is Q6_K, as llama-quantize makes it, or has 4 bits, as ours.
LLAMA = {
    "llama.cpp Q4_0": ("q4_0", "on"),
    "Q4_0, 4-bit head": ("q4_0-head4", "on"),
    "IQ4_NL, 4-bit head": ("iq4_nl-head4", "on"),
    "Q4_K, 4-bit head": ("q4_k-head4", "on"),
    "Q4_K, 4-bit head, not repacked": ("q4_k-head4", "off"),
}
IK = {
    "ik_llama.cpp Q4_0, 4-bit head": ("q4_0-head4", "on"),
    "ik_llama.cpp IQ4_NL, 4-bit head": ("iq4_nl-head4", "on"),
    "ik_llama.cpp Q4_K, 4-bit head": ("q4_k-head4", "on"),
}
PROGRAMS = {"llama": ("llama.cpp", LLAMA), "ik": ("ik_llama.cpp", IK)}
# The memory's speed that writing is also scaled to, by each side's share of what it met: it changes
# within seconds where others use the machine too. GB/s.
SCALED = 50
# Those that write slower than others of their program.
NOT_ALONE = {"Q4_K, 4-bit head, not repacked"}


class Comparison:
    """The sections, a table each."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.work = options.work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.runner = Runner(self.work, options.prefix, options.rounds)
        self.tables: list[Table] = []
        # Programs with their sides, and for each side its program, type and repacking.
        self.programs: dict[str, list[str]] = {}
        self.llama_sides: dict[str, tuple[str, str, str]] = {}
        for name in options.programs.split(","):
            title, sides = PROGRAMS[name]
            kept = {side: how for side, how in sides.items() if side not in options.skip}
            self.programs[title] = list(kept)
            self.llama_sides |= {side: (name, *how) for side, how in kept.items()}

    def varbench(self, name: str, *arguments: object) -> Side:
        """A side of ours."""
        words = [str(self.options.varbench.resolve()), *map(str, arguments), "--no-probes"]
        if self.options.isa:
            words += ["--isa", self.options.isa]
        return Side(name, tuple(words))

    def understand(self, prompt: int, tokens: int, threads: int, name: str = OURS) -> Side:
        """Our language model."""
        return self.varbench(
            name, "understand", "--shape", self.options.shape, "--precision", "int4",
            "--prompt", prompt, "--tokens", tokens, "--threads", threads,
            "--pages", self.options.pages)

    def llama(self, name: str, prompts: str, tokens: int, threads: int) -> Side:
        """llama.cpp or ik_llama.cpp with a model of the same shape, written where it is missing.

        Repacked weights are a copy, so their file is read; others stay in the mapped file.
        """
        program, kind, repack = self.llama_sides[name]
        python = str(environments.python(self.work, program, self.options.isa))
        path = self.work / f"{self.options.shape}-{kind}.gguf"
        if not path.exists():
            subprocess.run(
                [python, HERE / "write_gguf.py", "--shape", self.options.shape, "--type", kind,
                 "--output", path], check=True)
        command = (
            python, str(HERE / "llama_peer.py"), "--program", program, "--model", str(path),
            "--prompt", prompts, "--tokens", str(tokens), "--threads", str(threads),
            "--repack", repack, "--load", "read" if repack == "on" else "mmap")
        return Side(name, command, path)

    def torch(self, name: str, precision: str, threads: int) -> Side:
        """PyTorch's picture decoder."""
        python = str(environments.python(self.work, "torch"))
        variables = environments.TORCH_VARIABLES[self.options.isa]
        return Side(name, (
            "env", *(f"{key}={value}" for key, value in variables.items()), python,
            str(HERE / "torch_peer.py"), "--size", str(self.options.size), "--precision",
            precision, "--threads", str(threads)))

    def text(self) -> None:
        """The language model: reading prompts and writing text."""
        threads = self.options.threads
        several = self.runner.interleave(f"text, {count(threads)}", [
            self.understand(128, 32, threads), self.understand(512, 2, threads, LONG),
            *(self.llama(name, "512,128", 32, threads) for name in self.llama_sides)])
        counts = [(several, count(threads))]
        if self.options.single:
            counts.append((self.runner.interleave("text, 1 thread", [
                self.understand(16, 32, 1),
                *(self.llama(name, "16", 32, 1)
                  for name in self.llama_sides if name not in NOT_ALONE)]), "1 thread"))
        several.move(LONG, OURS, "prefill 512")
        names = [OURS, *self.llama_sides]
        for name in names:
            several.values[name, "decode_scaled"] = [
                share * SCALED / weight_gigabytes(several, name)
                for share in several.get(name, "decode_share")]
        table = Table(f"{self.options.shape}, tokens per second", [OURS], self.programs)
        table.compare(f"writing, {count(threads)}", several, "decode")
        table.compare(f"the same, scaled to {SCALED} GB/s", several, "decode_scaled")
        for results, label in counts[1:]:
            table.compare(f"writing, {label}", results, "decode")
        for prompt in (128, 512):
            table.compare(
                f"prompt of {prompt}, {count(threads)}", several, f"prefill {prompt}")
        table.state("weights read per token, GB", each(
            lambda results, name: f"{weight_gigabytes(results, name):.2f}", several, names))
        for results, label in counts:
            table.state(
                f"share of the read bandwidth, writing, {label}",
                each(bandwidth, results, names))
        table.state("peak of resident memory, MiB", each(peak, several, names))
        self.tables.append(table)

    def vae(self) -> None:
        """The picture tokenizer's decoder: codes to pixels."""
        size = self.options.size
        ours = [f"VARLite {part}" for part in self.options.vae_precisions.split(",")]
        theirs = ["PyTorch bf16", "PyTorch f32"]
        table = Table(f"codes to {size} px, seconds", ours, {"PyTorch": theirs})
        several = self.options.threads
        for threads in sorted({several, 1} if self.options.single else {several}, reverse=True):
            results = self.runner.interleave(f"pixels, {count(threads)}", [
                *(self.varbench(
                    name, "decode", "--shape", "vargpt-v1.1", "--size", size, "--precision",
                    name.split()[-1], "--threads", threads) for name in ours),
                *(self.torch(name, name.split()[-1], threads) for name in theirs)])
            table.compare(count(threads), results, "vae_seconds", larger_is_better=False)
        table.state("peak of resident memory, MiB", each(peak, results, [*ours, *theirs]))
        self.tables.append(table)


def count(threads: int) -> str:
    """Threads as text."""
    return "1 thread" if threads == 1 else f"{threads} threads"


def each(
    text: Callable[[Results, str], str], results: Results, names: list[str]
) -> dict[str, str]:
    """A text of every side."""
    return {name: text(results, name) for name in names}


def peak(results: Results, side: str) -> str:
    """The largest resident memory, for language models of ours by what must be there."""
    line = results.lines[side, "peak_rss"]
    text = f"{line['value']:,.0f}"
    if "kv_bytes" not in line:
        return text
    needed = (line["weight_bytes"] + line["kv_bytes"]) / 2**20
    return f"{text}: {line['value'] / needed:.3f} times weights, keys and values"


def bandwidth(results: Results, side: str) -> str:
    """What tokens reach of the bandwidth of their moment; empty where it was not measured."""
    if not results.has(side, "decode_share"):
        return ""
    share, limit = (
        statistics.median(results.get(side, quantity))
        for quantity in ("decode_share", "decode_limit"))
    return f"{100 * share:.0f} % of {limit:.0f} GB/s"


def weight_gigabytes(results: Results, side: str) -> float:
    """Weights that a side reads for one token, in GB."""
    return results.lines[side, "decode_share"]["bytes_per_token"] * 1e-9


def main() -> None:
    """Parses the command line, measures and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--varbench", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made")
    parser.add_argument(
        "--isa", choices=list(environments.TARGETS), default="",
        help="the most that everybody may use of the processor; all of it where this is missing")
    parser.add_argument("--programs", default="llama,ik", help="peers of the section text")
    parser.add_argument(
        "--skip", action="append", default=[], help="a peer's setting, by its column's name")
    parser.add_argument("--only", default="text,vae", help="sections")
    parser.add_argument("--shape", default="qwen2-7b", help="language model's sizes")
    parser.add_argument("--size", type=int, default=512, help="side of the picture, pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--single", action=argparse.BooleanOptionalAction, default=True,
        help="measure one thread too")
    parser.add_argument(
        "--pages", default="small", help="pages of our weights; the peers' lie in small ones")
    parser.add_argument(
        "--vae-precisions", default="f32,int8", help="recipes of our picture decoder")
    parser.add_argument(
        "--prefix", default="", help="words before every measured command, such as 'chrt -f 20'")
    options = parser.parse_args()
    comparison = Comparison(options)
    for section in options.only.split(","):
        {"text": comparison.text, "vae": comparison.vae}[section]()
    print("\n\n".join(map(str, comparison.tables)))


if __name__ == "__main__":
    main()
