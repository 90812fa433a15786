"""Writes GGUF files of random weights for llama.cpp.

Speed does not depend on what the weights are, so blocks are random bytes with scales that give the
spread of trained weights (a standard deviation of 1 / sqrt(inputs)); nothing is quantized. The
bytes repeat no shorter than about 1 MiB, as those of `varbench` do.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from shapes import LANGUAGE_SHAPES, LanguageShape

# Types of matrices by the name of the file: (layers, head, embedding).
# "q4_0" and "q4_k" are what `llama-quantize` gives for Q4_0 and, without its larger exceptions,
# for Q4_K_S; "-head4" stores the head in 4 bits too, as VARLite's recipe `int4` does.
FILE_TYPES = {
    "q4_0": (Type.Q4_0, Type.Q6_K, Type.Q4_0),
    "q4_0-head4": (Type.Q4_0, Type.Q4_0, Type.Q4_0),
    "q4_k": (Type.Q4_K, Type.Q6_K, Type.Q4_K),
    "q4_k-head4": (Type.Q4_K, Type.Q4_K, Type.Q4_K),
    "iq4_nl-head4": (Type.IQ4_NL, Type.IQ4_NL, Type.IQ4_NL),
}

BLOCKS_BEFORE_REPEAT = 8192


def random_blocks(kind: Type, cols: int, random: np.random.Generator) -> np.ndarray:
    """`BLOCKS_BEFORE_REPEAT` blocks as [block, bytes of a block] for a matrix of `cols` inputs."""
    _, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (BLOCKS_BEFORE_REPEAT, block_bytes), dtype=np.uint8)
    spread = 1 / np.sqrt(cols)

    def put_scale(first_byte: int, value: float) -> None:
        scales = value * random.uniform(0.75, 1.25, BLOCKS_BEFORE_REPEAT)
        raw = scales.astype(np.float16).view(np.uint8).reshape(-1, 2)
        blocks[:, first_byte : first_byte + 2] = raw

    if kind == Type.Q4_0:  # (q - 8) d; the deviation of q is 4.6
        put_scale(0, spread / 4.6)
    elif kind == Type.IQ4_NL:  # table[q] d; the table's deviation is 72
        put_scale(0, spread / 72)
    elif kind == Type.Q4_K:  # d s q - dmin m; six-bit s and m are 32 on average
        put_scale(0, spread / (32 * 4.6 * 2))
        put_scale(2, spread * 7.5 / (32 * 4.6 * 2))
    elif kind == Type.Q6_K:  # d s (q - 32); deviations of s and q are 73 and 18
        put_scale(block_bytes - 2, spread / (73 * 18))
    else:
        raise ValueError(f"{kind.name}: no random blocks for this type")
    return blocks


def matrix_bytes(kind: Type, rows: int, cols: int) -> int:
    """Bytes of a matrix [rows, cols] in a file."""
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    return rows * cols // block_size * block_bytes


class ModelWriter:
    """Declares all tensors of a model, then streams them, one in memory at a time."""

    def __init__(self, path: Path, shape: LanguageShape, seed: int = 1):
        self.random = np.random.default_rng(seed)
        self.writer = gguf.GGUFWriter(path, "qwen2")
        self.makers = []
        self._metadata(shape)

    def _metadata(self, shape: LanguageShape) -> None:
        writer = self.writer
        writer.add_block_count(shape.layers)
        writer.add_context_length(32768)
        writer.add_embedding_length(shape.hidden)
        writer.add_feed_forward_length(shape.feed_forward)
        writer.add_head_count(shape.heads)
        writer.add_head_count_kv(shape.kv_heads)
        writer.add_rope_freq_base(1e6)
        writer.add_layer_norm_rms_eps(1e-6)
        writer.add_vocab_size(shape.vocab)
        writer.add_tokenizer_model("no_vocab")
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)

    def matrix(self, name: str, kind: Type, rows: int, cols: int) -> None:
        """Declares a matrix [rows, cols] of random blocks."""
        size = matrix_bytes(kind, rows, cols)
        row_bytes = size // rows
        self.writer.add_tensor_info(name, (rows, row_bytes), np.dtype(np.uint8), size, kind)

        def make() -> np.ndarray:
            pattern = random_blocks(kind, cols, self.random).reshape(-1)
            return np.resize(pattern, size).reshape(rows, row_bytes)

        self.makers.append(make)

    def vector(self, name: str, count: int, mean: float) -> None:
        """Declares `count` floats around `mean`."""
        self.writer.add_tensor_info(name, (count,), np.dtype(np.float32), 4 * count)
        self.makers.append(
            lambda: (mean + self.random.uniform(-0.1, 0.1, count)).astype(np.float32))

    def write(self) -> None:
        """Writes everything that was declared."""
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_ti_data_to_file()
        for make in self.makers:
            self.writer.write_tensor_data(make())
        self.writer.close()


def declare_layer(
    model: ModelWriter, shape: LanguageShape, index: int, kind: Type
) -> None:
    """Declares decoder layer `index`."""
    name = f"blk.{index}."
    hidden, wide, kv = shape.hidden, shape.feed_forward, shape.kv_width
    model.vector(name + "attn_norm.weight", hidden, 1)
    for part, rows in (("q", hidden), ("k", kv), ("v", kv)):
        model.matrix(name + f"attn_{part}.weight", kind, rows, hidden)
        model.vector(name + f"attn_{part}.bias", rows, 0)
    model.matrix(name + "attn_output.weight", kind, hidden, hidden)
    model.vector(name + "ffn_norm.weight", hidden, 1)
    model.matrix(name + "ffn_gate.weight", kind, wide, hidden)
    model.matrix(name + "ffn_up.weight", kind, wide, hidden)
    model.matrix(name + "ffn_down.weight", kind, hidden, wide)


def write_model(path: Path, shape: LanguageShape, file_type: str) -> None:
    """Writes a whole model; the file appears under its name only when it is complete.

    Raises `ValueError` for a shape whose rows are no multiple of the type's block.
    """
    kind, head, embedding = FILE_TYPES[file_type]
    if shape.tied:  # the head is the embedding
        embedding = head
    for cols in (shape.hidden, shape.feed_forward):
        for one in (kind, head):
            if cols % gguf.GGML_QUANT_SIZES[one][0] != 0:
                raise ValueError(f"{path.name}: rows of {cols} do not divide into {one.name}")
    partial = path.with_suffix(".partial")
    model = ModelWriter(partial, shape)
    model.matrix("token_embd.weight", embedding, shape.vocab, shape.hidden)
    for index in range(shape.layers):
        declare_layer(model, shape, index, kind)
    model.vector("output_norm.weight", shape.hidden, 1)
    if not shape.tied:
        model.matrix("output.weight", head, shape.vocab, shape.hidden)
    model.write()
    partial.rename(path)


def main() -> None:
    """Parses the command line and writes one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=LANGUAGE_SHAPES, required=True)
    parser.add_argument("--type", choices=FILE_TYPES, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    write_model(options.output, LANGUAGE_SHAPES[options.shape], options.type)


if __name__ == "__main__":
    main()
