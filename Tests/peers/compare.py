"""Compares VARLite with llama.cpp and PyTorch on this machine and prints a Markdown table.

    python3 Tests/peers/compare.py --varbench .build/release/varbench --work DIR

Needs Python 3.11, a C++ compiler, and in DIR 15 GB of disk; DIR keeps the peers' environments, the
GGUF files of random weights and every line that was measured (results.jsonl). Sides take turns, so
that what changes on the machine meets all of them; ratios are of one round each.
"""

import argparse
import subprocess
from pathlib import Path

import environments
from sides import HERE, Runner, Side
from table import Table, spread

OURS = "VARLite int4"
# Which setting of llama.cpp is the best depends on the task and the processor: the table has all.
# The head is Q6_K, as llama-quantize makes it, or has 4 bits, as ours.
LLAMA = {
    "llama.cpp Q4_0": ("q4_0", "on"),
    "llama.cpp Q4_0, 4-bit head": ("q4_0-head4", "on"),
    "llama.cpp Q4_K, 4-bit head": ("q4_k-head4", "on"),
    "llama.cpp Q4_K, 4-bit head, not repacked": ("q4_k-head4", "off"),
}


class Comparison:
    """The sections of the table."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.work = options.work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.runner = Runner(self.work, options.prefix, options.rounds)
        self.table = Table()

    def varbench(self, name: str, *arguments: object) -> Side:
        """A side of ours."""
        words = [str(self.options.varbench.resolve()), *map(str, arguments), "--no-probes"]
        return Side(name, tuple(words))

    def understand(self, prompt: int, tokens: int, threads: int) -> Side:
        """Our language model."""
        return self.varbench(
            OURS, "understand", "--shape", self.options.shape, "--precision", "int4",
            "--prompt", prompt, "--tokens", max(2, tokens), "--threads", threads,
            "--pages", self.options.pages)

    def llama(self, name: str, prompt: int, tokens: int, threads: int) -> Side:
        """llama.cpp with a model of the same shape, written where it is missing."""
        python = str(environments.python(self.work, "llama"))
        kind, repack = LLAMA[name]
        path = self.work / f"{self.options.shape}-{kind}.gguf"
        if not path.exists():
            subprocess.run(
                [python, HERE / "write_gguf.py", "--shape", self.options.shape, "--type", kind,
                 "--output", path], check=True)
        return Side(name, (
            python, str(HERE / "llama_peer.py"), "--model", str(path), "--prompt", str(prompt),
            "--tokens", str(tokens), "--threads", str(threads), "--repack", repack))

    def torch(self, name: str, precision: str, threads: int) -> Side:
        """PyTorch's picture decoder."""
        python = str(environments.python(self.work, "torch"))
        return Side(name, (
            python, str(HERE / "torch_peer.py"), "--size", str(self.options.size),
            "--precision", precision, "--threads", str(threads)))

    def decode(self) -> None:
        """Writing text, on all threads and on one."""
        for threads in sorted({self.options.threads, 1}, reverse=True):
            prompt = 128 if threads > 1 else 16
            peers = list(LLAMA) if threads > 1 else list(LLAMA)[:2]
            results = self.runner.interleave(f"decode, threads {threads}", [
                self.understand(prompt, 32, threads),
                *(self.llama(name, prompt, 32, threads) for name in peers)])
            for name in peers:
                self.table.compare(
                    f"writing, {count(threads)}", results, OURS, name, "decode",
                    note=f" ({gigabytes(results.lines[name, 'decode'])})")
            share = [100 * value for value in results.get(OURS, "decode_share")]
            mine = gigabytes(results.lines[OURS, "decode_bandwidth"])
            self.table.state(
                f"writing, {count(threads)}: {mine} a token, share of the read bandwidth",
                f"{spread(share)} %", f"limit {spread(results.get(OURS, 'decode_limit'))} GB/s")
            if threads > 1:
                for name in peers:
                    self.table.compare(
                        f"prompt of 128, {count(threads)}", results, OURS, name, "prefill")
                self.memory(results, peers)

    def memory(self, results, peers: list[str]) -> None:
        """Rows of resident memory against weights, keys and values."""
        line = results.lines[OURS, "peak_rss"]
        needed = (line["weight_bytes"] + line["kv_bytes"]) / 2**20
        self.table.state(
            "resident memory, by weights, keys and values",
            f"{line['value']:,.0f} MiB = {line['value'] / needed:.3f} x", "; ".join(
                f"{name}: {results.lines[name, 'rss']['value']:,.0f} MiB" for name in peers))

    def prefill(self) -> None:
        """Reading a prompt of 512."""
        threads = self.options.threads
        results = self.runner.interleave("prompt of 512", [
            self.understand(512, 2, threads),
            *(self.llama(name, 512, 0, threads) for name in LLAMA if name != "llama.cpp Q4_0")])
        for name in LLAMA:
            if (name, "prefill") in results.values:
                self.table.compare(
                    f"prompt of 512, {count(threads)}", results, OURS, name, "prefill")

    def vae(self) -> None:
        """Codes to pixels."""
        size = self.options.size
        for threads in sorted({self.options.threads, 1}, reverse=True):
            ours = {
                f"VARLite {precision}": self.varbench(
                    f"VARLite {precision}", "decode", "--shape", "vargpt-v1.1", "--size", size,
                    "--precision", precision, "--threads", threads)
                for precision in self.options.vae_precisions.split(",")}
            theirs = {
                f"PyTorch {precision}": self.torch(f"PyTorch {precision}", precision, threads)
                for precision in ("bf16", "f32")}
            results = self.runner.interleave(
                f"pixels, threads {threads}", [*ours.values(), *theirs.values()])
            for mine in ours:
                for name in theirs:
                    self.table.compare(
                        f"codes to {size} px, {count(threads)}, {mine.split()[-1]}", results,
                        mine, name, "vae_seconds", larger_is_better=False)


def count(threads: int) -> str:
    """Threads as text."""
    return "1 thread" if threads == 1 else f"{threads} threads"


def gigabytes(line: dict) -> str:
    """Bytes per token of a line, in GB."""
    return f"{line['bytes_per_token'] * 1e-9:.2f} GB"


def main() -> None:
    """Parses the command line, measures and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--varbench", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made")
    parser.add_argument("--only", default="decode,prefill,vae", help="sections")
    parser.add_argument("--shape", default="qwen2-7b", help="language model's sizes")
    parser.add_argument("--size", type=int, default=512, help="side of the picture, pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--pages", default="small", help="pages of our weights; the peers' lie in small ones")
    parser.add_argument(
        "--vae-precisions", default="f32,int8", help="recipes of our picture decoder")
    parser.add_argument(
        "--prefix", default="", help="words before every measured command, such as 'chrt -f 20'")
    options = parser.parse_args()
    comparison = Comparison(options)
    for section in options.only.split(","):
        {"decode": comparison.decode, "prefill": comparison.prefill, "vae": comparison.vae}[
            section]()
    print(comparison.table)
    (comparison.work / "table.md").write_text(f"{comparison.table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
