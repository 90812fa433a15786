"""Measures llama.cpp as `varbench understand` measures VARLite: reading prompts and writing text.

`--program ik` measures its fork ik_llama.cpp. Calls `llama_decode` directly: no tokenizer, no
sampling. Prints one line of JSON per quantity.
"""

import argparse
import time
from pathlib import Path

import gguf
import numpy as np

import records
from bindings import BINDINGS
from read_probe import ReadProbe


class Session:
    """A loaded model with one sequence."""

    def __init__(self, options: argparse.Namespace, context_tokens: int):
        self.binding = BINDINGS[options.program]()
        api = self.api = self.binding.api
        api.llama_backend_init()
        start = time.perf_counter()
        self.model = api.llama_model_load_from_file(
            options.model.encode(), self.binding.model_params(options))
        if not self.model:
            raise SystemExit(f"{options.model}: {options.program} does not load it")
        params = self.binding.context_params(options)
        params.n_ctx = context_tokens
        params.n_batch = 2048
        params.n_ubatch = 512
        params.n_threads = options.threads
        params.n_threads_batch = options.threads
        self.context = api.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit(f"{options.model}: {options.program} makes no context")
        self.load_seconds = time.perf_counter() - start
        self.batch = api.llama_batch_init(params.n_batch, 0, 1)

    def forget(self) -> None:
        """Empties the sequence."""
        self.binding.forget(self.context)

    def decode(self, tokens: list[int], first_position: int) -> float:
        """Seconds of one pass over `tokens`, with the logits of the last."""
        batch = self.batch
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = first_position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = index == len(tokens) - 1
        start = time.perf_counter()
        if self.api.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")
        self.binding.synchronize(self.context)
        self.api.llama_get_logits_ith(self.context, -1)
        return time.perf_counter() - start


def main() -> None:
    """Parses the command line and prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", choices=BINDINGS, default="llama")
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", default="128", help="tokens of prompts, a list with commas")
    parser.add_argument("--tokens", type=int, default=32, help="tokens written after the last")
    parser.add_argument("--repeats", type=int, default=1, help="measured runs of each prompt")
    parser.add_argument("--repack", choices=("on", "off"), default="on")
    parser.add_argument("--load", choices=("read", "mmap"), default="mmap")
    parser.add_argument("--flash", choices=("auto", "off", "on"), default="auto")
    options = parser.parse_args()
    prompts = [int(part) for part in options.prompt.split(",")]
    session = Session(options, max(prompts) + options.tokens + 1)
    context = {
        "threads": options.threads, "repack": options.repack, "load": options.load,
        "flash": options.flash, "tokens": options.tokens,
    }
    lines = measure(session, options, prompts)
    peak = ("peak_rss", "MiB", records.memory_mib("VmHWM"))
    if options.tokens > 1:
        lines += write_text(session, options, prompts[-1])
    for name, unit, value in (("load", "s", session.load_seconds), peak):
        lines.append(records.record(name, unit, [value]))
    read = bytes_per_token(options.model)
    for line in lines:
        records.write(line | context | {"bytes_per_token": read})


def random_tokens(count: int, seed: int) -> list[int]:
    """Token ids without a meaning of their own."""
    return np.random.default_rng(seed).integers(0, 1000, count).tolist()


def measure(session: Session, options: argparse.Namespace, prompts: list[int]) -> list[dict]:
    """Records `prefill` for every prompt."""
    # Eight tokens warm up: as many layers as any prompt, in little time; then one token.
    session.decode(random_tokens(8, 3), 0)
    session.decode(random_tokens(1, 3), 8)
    lines = []
    for count in prompts:
        rates = []
        for _ in range(options.repeats):
            session.forget()
            rates.append(count / session.decode(random_tokens(count, 4), 0))
        lines.append(records.record("prefill", "tok/s", rates, prompt=count))
    return lines


def write_text(session: Session, options: argparse.Namespace, position: int) -> list[dict]:
    """Records `decode`, and `decode_share`: what tokens reach of the bandwidth around them."""
    probe = ReadProbe(Path(options.model).parent, options.threads)
    seconds = []
    limits = [probe.bandwidth()]
    for step in range(options.tokens):
        seconds.append(session.decode(random_tokens(1, step), position + step))
        limits.append(probe.bandwidth())
    # The first token warms up.
    seconds, limits = seconds[1:], limits[1:]
    gigabytes = bytes_per_token(options.model) * 1e-9
    shares = [
        gigabytes / one * 2 / (before + after)
        for one, before, after in zip(seconds, limits, limits[1:], strict=False)]
    return [
        records.record("decode", "tok/s", [1 / one for one in seconds], prompt=position),
        records.record("decode_limit", "GB/s", limits),
        records.record("decode_share", "ratio", shares),
    ]


def bytes_per_token(path: str) -> int:
    """Bytes of matrices that are read for one token; the head may be the embedding."""
    tensors = gguf.GGUFReader(path).tensors
    names = {tensor.name for tensor in tensors}
    head = "output.weight" if "output.weight" in names else "token_embd.weight"
    return sum(
        int(t.n_bytes) for t in tensors
        if t.name == head or (t.name.startswith("blk.") and len(t.shape) > 1))


if __name__ == "__main__":
    main()
