"""Writes the pictures of this folder, what Pillow makes of them (expected.safetensors), and what those with alpha are
when Pillow pastes them on white (on_white.safetensors).

Run with Pillow 13 and numpy: python3 make.py
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
expected, white = {}, {}


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


def store_with_alpha(name, data, pixels, alpha):
    """pixels [h, w, 3] and alpha [h, w] as bytes."""
    store(name, data, pixels)
    base = Image.new("RGB", (pixels.shape[1], pixels.shape[0]), "white")
    base.paste(Image.fromarray(pixels), mask=Image.fromarray(alpha))
    white[name] = np.array(base)


def alphas():
    for name in [name for name in expected if name.startswith(("rgba", "grey_alpha", "palette4"))]:
        alpha = np.array(Image.open(name).convert("RGBA"))[:, :, 3]
        with open(name, "rb") as file:
            store_with_alpha(name, file.read(), expected[name], alpha)
    for name, colour, channels, depths in [
            ("grey", 0, 1, (1, 2, 4, 8, 16)), ("rgb", 2, 3, (8, 16)), ("palette", 3, 1, (1, 2, 8))]:
        for depth in depths:
            samples = rng.integers(0, 1 << depth, (HEIGHT, WIDTH, channels))
            if colour == 3:
                palette = rng.integers(0, 256, (1 << depth, 3)).astype(np.uint8)
                # Shorter than the palette: the rest is opaque.
                table = rng.integers(0, 256, (1 << depth) - 1).astype(np.uint8)
                extra = chunk(b"PLTE", palette.tobytes()) + chunk(b"tRNS", table.tobytes())
                pixels = palette[samples[:, :, 0]]
                alpha = np.append(table, 255).astype(np.uint8)[samples[:, :, 0]]
            else:
                # White under full transparency is white either way.
                key = samples[0, 0] * (depth > 1)
                samples[1, :4] = key
                if depth == 16:
                    samples[2, :4] = key ^ 1
                extra = chunk(b"tRNS", key.astype(">u2").tobytes())
                scaled = samples >> 8 if depth == 16 else samples * 255 // ((1 << depth) - 1)
                pixels = np.repeat(scaled, 3 // channels, axis=2).astype(np.uint8)
                alpha = np.where((samples == key).all(axis=2), 0, 255).astype(np.uint8)
            for interlaced in (False, True):
                file = f"trns_{name}{depth}{'_interlaced' if interlaced else ''}.png"
                store_with_alpha(file, png(samples, depth, colour, interlaced, extra), pixels, alpha)


def webp(image, **options):
    out = io.BytesIO()
    image.save(out, "WEBP", **options)
    return out.getvalue()


def webps():
    rgb = smooth(37, 22)
    alpha = np.clip(np.add.outer(np.arange(22) * 9, np.arange(37) * 5) - 60, 0, 255).astype(np.uint8)
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    store("lossy.webp", webp(Image.fromarray(rgb), quality=80))
    store("lossless.webp", webp(Image.fromarray(rgb), lossless=True))
    for name, options in [
            ("lossy_alpha.webp", {"quality": 80}), ("lossless_alpha.webp", {"lossless": True, "exact": True})]:
        data = webp(rgba, **options)
        pixels = np.array(Image.open(io.BytesIO(data)))
        store_with_alpha(name, data, np.ascontiguousarray(pixels[:, :, :3]), np.ascontiguousarray(pixels[:, :, 3]))
    frames = [Image.fromarray(np.roll(rgb, shift, 1)) for shift in (0, 5)]
    with open("animated.webp", "wb") as file:
        file.write(webp(frames[0], save_all=True, append_images=frames[1:]))


def tiff(orientation, order="<", kind=3, count=1):
    """A directory whose first entry is another tag."""
    value = {3: "H", 4: "I", 8: "h", 9: "i"}[kind]
    entries = struct.pack(order + "HHIHH", 0x0103, 3, 1, 6, 0)
    data = struct.pack(order + value * count, *[orientation] * count)
    tail = b""
    if len(data) > 4:
        data, tail = struct.pack(order + "I", 8 + 2 + 2 * 12 + 4), data
    entries += struct.pack(order + "HHI", 0x0112, kind, count) + data.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", 2) + entries + b"\0\0\0\0" + tail


XMP_ATTRIBUTE = b'<x:xmpmeta><rdf:Description tiff:Model="a" tiff:Orientation="%d"/></x:xmpmeta>'
XMP_ELEMENT = b"<x:xmpmeta><tiff:Model>a</tiff:Model><tiff:Orientation>%d</tiff:Orientation></x:xmpmeta>"


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def raw_profile(data):
    digits = data.hex()
    lines = "\n".join(digits[i:i + 72] for i in range(0, len(digits), 72))
    return f"\nexif\n{len(data):8}\n{lines}\n".encode()


def orientations():
    """Every place where Pillow finds an orientation; the pictures are not square, so that a turn shows."""
    rgb = Image.fromarray(smooth(19, 11))
    plain = jpeg(rgb, subsampling=0)
    exif, xmp = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
    whole = tiff(8)
    for name, segments in {
            "after_others": segment(0xFE, b"words") + segment(0xE2, b"ICC") + segment(0xE1, exif + tiff(6)),
            "fill_bytes": b"\xff\xff" + segment(0xFE, b"words") + b"\xff\xff\xff" + segment(0xE1, exif + tiff(5)),
            "behind_xmp": segment(0xE1, xmp + XMP_ATTRIBUTE % 3) + segment(0xE1, exif + tiff(6, ">")),
            "xmp_attribute": segment(0xE1, xmp + XMP_ATTRIBUTE % 7),
            "xmp_element": segment(0xE1, xmp + XMP_ELEMENT % 2),
            "xmp_beside_exif_without":
                segment(0xE1, exif + tiff(1)[:8] + b"\0\0") + segment(0xE1, xmp + XMP_ELEMENT % 6),
            "two_segments": segment(0xE1, exif + whole[:20]) + segment(0xE1, exif + whole[20:]),
            "twice_marked": segment(0xE1, exif + exif + tiff(6)),
            "long": segment(0xE1, exif + tiff(6, ">", 4)),
            "signed": segment(0xE1, exif + tiff(6, "<", 8)),
            "two_values": segment(0xE1, exif + tiff(6, "<", 3, 2)),
            "three_values": segment(0xE1, exif + tiff(8, ">", 3, 3)),
            "unknown_value": segment(0xE1, exif + tiff(9)) + segment(0xE1, xmp + XMP_ELEMENT % 6)}.items():
        store(f"turned_{name}.jpg", plain[:2] + segments + plain[2:])
    pixels = np.array(rgb)
    for name, extra, late in [
            ("late", b"", chunk(b"eXIf", tiff(6))),
            ("twice", chunk(b"eXIf", tiff(3)), chunk(b"eXIf", tiff(6))),
            ("text", chunk(b"tEXt", b"exif\0" + exif + tiff(6)), b""),
            ("profile", chunk(b"tEXt", b"Raw profile type exif\0" + raw_profile(exif + tiff(8))), b""),
            ("small_profile", b"", chunk(
                b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(exif + tiff(5, ">"))))),
            ("xmp", chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_ATTRIBUTE % 6), b""),
            ("small_xmp", b"", chunk(
                b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0\0" + zlib.compress(XMP_ELEMENT % 7)))]:
        data = png(pixels, 8, 2, extra=extra)
        end = len(data) - 12
        store(f"turned_{name}.png", data[:end] + late + data[end:])
    store("turned_exif.webp", webp(rgb, lossless=True, exif=exif + tiff(6)))
    store("turned_bare_exif.webp", webp(rgb, lossless=True, exif=tiff(8, ">")))
    store("turned_xmp.webp", webp(rgb, lossless=True, xmp=XMP_ELEMENT % 6))


def write(path, pictures):
    header, blobs, offset = {}, [], 0
    for name, array in pictures.items():
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
alphas()
webps()
orientations()
write("expected.safetensors", expected)
write("on_white.safetensors", white)
