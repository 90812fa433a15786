"""Python environments of the peers, made when they are missing."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

# OpenMP and repacking are defaults of llama.cpp.
PACKAGES = {
    "llama": ["llama-cpp-python==0.3.36", "gguf==0.19.0", "numpy==2.4.6"],
    "ik": ["gguf==0.19.0", "numpy==2.4.6"],  # and IK, which does not build as it is
    "torch": ["torch==2.15.0", "numpy==2.4.6"],
}
IK = "ik-llama-cpp-python==0.1.5"
IMPORTS = {"llama": "llama_cpp, gguf", "ik": "ik_llama_cpp, gguf", "torch": "torch"}
# What llama.cpp and ik_llama.cpp are compiled for, by `--isa`; without one, for this machine.
TARGETS = {
    "": "-DGGML_NATIVE=ON",
    "avx2": "-DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON"
            " -DGGML_F16C=ON -DGGML_BMI2=ON -DGGML_AVX_VNNI=OFF -DGGML_AVX512=OFF",
}
# Without pictures, and caches of types that no comparison has. Libraries find each other.
PARTS = (
    "-DCMAKE_BUILD_TYPE=Release -DLLAVA_BUILD=OFF -DGGML_IQK_FA_ALL_QUANTS=OFF"
    " -DCMAKE_INSTALL_RPATH=$ORIGIN")
# PyTorch chooses when it starts.
TORCH_VARIABLES = {
    "": {},
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}


def python(work: Path, name: str, isa: str = "") -> Path:
    """The interpreter of the environment `work/name-isa`; installing it takes some ten minutes."""
    folder = work / (f"{name}-{isa}" if isa and name != "torch" else name)
    interpreter = folder / "bin" / "python3"
    if interpreter.exists() and imports(interpreter, IMPORTS[name]):
        return interpreter
    print(f"making {folder}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages, variables = list(PACKAGES[name]), {"CMAKE_ARGS": f"{PARTS} {TARGETS[isa]}"}
    if name == "ik":
        packages.append(str(ik_source(work, interpreter)))
        variables["SKBUILD_BUILD_TARGETS"] = "llama"
    subprocess.run(
        [interpreter, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-binary",
         "llama-cpp-python", *packages],
        check=True, env=os.environ | variables)
    return interpreter


def ik_source(work: Path, interpreter: Path) -> Path:
    """The folder of IK's source, without its program llama-quantize, of which parts are missing."""
    folder = work / "ik-source"
    subprocess.run(
        [interpreter, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
         IK.split("=")[0], "--dest", folder, IK], check=True)
    archive = next(folder.glob("*.tar.gz"))
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    source = folder / archive.name.removesuffix(".tar.gz")
    rules = source / "CMakeLists.txt"
    text = rules.read_text(encoding="utf-8")
    for start, end in (
            ("# Build llama-quantize", "# Install shared"), ("# Install llama-quantize", "")):
        first = text.index(start)
        text = text[:first] + (text[text.index(end):] if end else "")
    rules.write_text(text, encoding="utf-8")
    return source


def imports(interpreter: Path, modules: str) -> bool:
    """Whether the modules are there."""
    done = subprocess.run(
        [interpreter, "-c", f"import {modules}"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0
