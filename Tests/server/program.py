"""Starts `varlite-server` with the demo model on a port of its own."""

import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = REPOSITORY / ".build" / "release"
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
        log = folder / "log"
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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.folder.cleanup()


def draw(prompt: str, *options: str) -> bytes:
    """The picture that `varlite generate` draws."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "drawn.png"
        subprocess.run(
            [PROGRAMS / "varlite", "generate", prompt, "-o", path, "--quiet", *options], check=True)
        return path.read_bytes()
