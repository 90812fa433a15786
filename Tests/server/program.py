"""Starts `varlite-server` with the demo model on a port of its own.

The programs are those of the release build, or those of the folder `VARLITE_PROGRAMS`.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("VARLITE_PROGRAMS", REPOSITORY / ".build" / "release"))
DEMO_MODEL = REPOSITORY / "Sources" / "CVARDemoModel" / "Resources" / "shapes.vq4"


class Server:
    """A running server; use it in a `with` statement."""

    def __init__(self, *options: object, keys: list[str] | None = None):
        self.folder = tempfile.TemporaryDirectory(prefix="varlite-server.")
        folder = pathlib.Path(self.folder.name)
        if keys:
            (folder / "keys").write_text("\n".join(keys) + "\n")
            options += ("--api-key-file", folder / "keys")
        # Nobody reads a pipe while the server writes a line for each request.
        log = self.log = folder / "log"
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [PROGRAMS / "varlite-server", "--port", "0", *map(str, options)], stderr=errors)
        while not (found := re.search(r"http://\S+:(\d+) serves", log.read_text())):
            if self.process.poll() is not None:
                raise SystemExit(f"varlite-server does not start: {log.read_text()}")
            time.sleep(0.02)
        self.port = int(found[1])
        self.address = f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=30) as answer:
            return answer.read()

    def end(self):
        """Ends it in order."""
        self.process.terminate()
        status = self.process.wait(timeout=30)
        assert status == 0, f"varlite-server ends with {status}"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
            if kind:
                # Requests are lines of JSON; what else it says may tell why something failed.
                lines = self.log.read_text(errors="replace").splitlines()
                print(*[line for line in lines if not line.startswith("{")][-200:], sep="\n", file=sys.stderr)
            self.folder.cleanup()


def draw(prompt: str, *options: str) -> bytes:
    """The picture that `varlite generate` draws."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "drawn.png"
        subprocess.run(
            [PROGRAMS / "varlite", "generate", prompt, "-o", path, "--quiet", *options], check=True)
        return path.read_bytes()
