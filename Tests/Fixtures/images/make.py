"""Writes the pictures of this folder and what Pillow makes of them (expected.safetensors).

Run with Pillow and numpy: python3 make.py
16-bit grey without alpha is the one kind where the expectation is not Pillow's: the high byte instead of a clip at 255.
"""

import io
import json
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT = 13, 9
rng = np.random.default_rng(20240517)
expected = {}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(samples, depth):
    """samples [h, w, channels] -> bytes of the unfiltered rows."""
    out = b""
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            out += b"\0" + row.astype(">u2").tobytes()
        else:
            bits = ((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
            out += b"\0" + np.packbits(bits.reshape(-1)).tobytes()
    return out


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, depth, colour, interlaced=False, extra=b""):
    height, width = samples.shape[:2]
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        raw = b"".join(packed_rows(part, depth) for part in parts if part.size)
    else:
        raw = packed_rows(samples, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9))
            + chunk(b"IEND", b""))


def store(name, data, pixels=None):
    with open(name, "wb") as file:
        file.write(data)
    if pixels is None:
        pixels = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    expected[name] = np.ascontiguousarray(pixels)


def pngs():
    for name, colour, channels, depths in [
            ("grey", 0, 1, (1, 2, 4, 8, 16)), ("rgb", 2, 3, (8, 16)), ("palette", 3, 1, (1, 2, 4, 8)),
            ("grey_alpha", 4, 2, (8, 16)), ("rgba", 6, 4, (8, 16))]:
        for depth in depths:
            samples = rng.integers(0, 1 << depth, (HEIGHT, WIDTH, channels))
            palette = rng.integers(0, 256, (1 << min(depth, 8), 3)).astype(np.uint8)
            extra = b""
            if colour == 3:
                extra = chunk(b"PLTE", palette.tobytes())
                if depth == 4:
                    extra += chunk(b"tRNS", bytes(range(0, 160, 10)))
            pixels = None
            if colour == 0 and depth == 16:
                pixels = np.repeat((samples >> 8).astype(np.uint8), 3, axis=2)
            for interlaced in (False, True):
                file = f"{name}{depth}{'_interlaced' if interlaced else ''}.png"
                store(file, png(samples, depth, colour, interlaced, extra), pixels)
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    store("orientation6.png", png(rng.integers(0, 256, (HEIGHT, WIDTH, 3)), 8, 2, extra=chunk(b"eXIf", tiff)))


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width] / 16.0
    planes = [128 + 100 * np.sin(x + 2 * y), 128 + 90 * np.cos(2 * x - y), 20 + 9 * x + 4 * y]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, **options)
    return out.getvalue()


def jpegs():
    rgb = Image.fromarray(smooth(37, 22))
    store("baseline420.jpg", jpeg(rgb, subsampling=2))
    store("baseline444.jpg", jpeg(rgb, subsampling=0))
    store("progressive.jpg", jpeg(rgb, progressive=True, subsampling=1))
    store("grey.jpg", jpeg(rgb.convert("L")))
    store("cmyk.jpg", jpeg(rgb.convert("CMYK")))
    store("restart.jpg", jpeg(rgb, restart_marker_blocks=1))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        store(f"orientation{orientation}.jpg", jpeg(rgb, exif=exif))


def resizes():
    source = rng.integers(0, 256, (61, 47, 3)).astype(np.uint8)
    expected["resize.source"] = source
    for width, height in [(47, 61), (47, 28), (28, 61), (23, 30), (94, 122), (100, 17), (7, 200), (1, 1), (46, 62)]:
        # Two steps: Pillow up to version 12 resizes rows first, later ones start with the cheaper axis.
        rows = Image.fromarray(source).resize((width, 61), Image.BICUBIC)
        expected[f"resize.{width}x{height}"] = np.array(rows.resize((width, height), Image.BICUBIC))


def write(path):
    header, blobs, offset = {}, [], 0
    for name, array in expected.items():
        assert array.dtype == np.uint8
        header[name] = {"dtype": "U8", "shape": list(array.shape), "data_offsets": [offset, offset + array.size]}
        blobs.append(array.tobytes())
        offset += array.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


pngs()
jpegs()
resizes()
write("expected.safetensors")
