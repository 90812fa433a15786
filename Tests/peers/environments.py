"""Python environments of the peers, made when they are missing."""

import os
import subprocess
import sys
from pathlib import Path

# llama.cpp is compiled for this machine; OpenMP and repacking are its defaults.
PACKAGES = {
    "llama": ["llama-cpp-python==0.3.36", "gguf==0.19.0", "numpy==2.4.6"],
    "torch": ["torch==2.15.0", "numpy==2.4.6"],
}
IMPORTS = {"llama": "llama_cpp, gguf", "torch": "torch"}
BUILD = {"CMAKE_ARGS": "-DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON"}


def python(work: Path, name: str) -> Path:
    """The interpreter of the environment `work/name`; installing it takes some ten minutes."""
    folder = work / name
    interpreter = folder / "bin" / "python3"
    if interpreter.exists() and imports(interpreter, IMPORTS[name]):
        return interpreter
    print(f"making {folder}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run(
        [interpreter, "-m", "pip", "install", "--quiet", "--no-binary", "llama-cpp-python",
         *PACKAGES[name]],
        check=True, env=os.environ | BUILD)
    return interpreter


def imports(interpreter: Path, modules: str) -> bool:
    """Whether the modules are there."""
    done = subprocess.run(
        [interpreter, "-c", f"import {modules}"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0
