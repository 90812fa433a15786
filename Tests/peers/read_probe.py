"""Measures what the memory gives at this moment, by the same code as `varbench`."""

import ctypes
import mmap
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).resolve().parents[2] / "Sources" / "CVARProbes" / "probe_read.c"
PART_BYTES = 512 << 20


class ReadProbe:
    """Reads memory on several threads at once."""

    def __init__(self, folder: Path, threads: int):
        library = folder / "probe_read.so"
        if not library.exists():
            subprocess.run(
                ["cc", "-O3", "-march=native", "-shared", "-fPIC", str(SOURCE), "-o", library],
                check=True)
        self.read = ctypes.CDLL(str(library)).cvar_probe_read
        self.read.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self.read.restype = ctypes.c_uint64
        # Small pages, as the weights have; NumPy's own memory would have huge ones.
        self.memory = np.frombuffer(mmap.mmap(-1, PART_BYTES), dtype=np.uint8)
        self.memory[:] = 1
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)

    def bandwidth(self) -> float:
        """GB/s of reading `PART_BYTES` once, all threads together."""
        part = PART_BYTES // self.threads
        # The peer's own threads spin for some milliseconds after their work.
        time.sleep(0.02)
        start = time.perf_counter()
        jobs = [
            self.pool.submit(self.read, self.memory.ctypes.data + index * part, part)
            for index in range(self.threads)]
        for job in jobs:
            job.result()
        return PART_BYTES / (time.perf_counter() - start) * 1e-9
