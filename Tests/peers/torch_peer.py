"""Measures the picture tokenizer's decoder in PyTorch, as `varbench decode` measures VARLite's.

The network is written from its specification (MODEL.md, section 10); weights are random.
Prints one line of JSON per quantity.
"""

import argparse
import time

import torch
from torch import nn
from torch.nn import functional

import records
from shapes import DecoderShape


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution that keeps height and width."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def norm(channels: int) -> nn.GroupNorm:
    """A group norm of 32 groups."""
    return nn.GroupNorm(32, channels, eps=1e-6)


class ResBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs), conv(inputs, outputs)
        self.norm2, self.conv2 = norm(outputs), conv(outputs, outputs)
        self.nin_shortcut = conv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, inputs, h, w] to [1, outputs, h, w]."""
        y = self.conv1(functional.silu(self.norm1(x)))
        y = self.conv2(functional.silu(self.norm2(y)))
        return self.nin_shortcut(x) + y


class Upsample(nn.Module):
    """Doubles height and width."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = conv(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, c, h, w] to [1, c, 2 h, 2 w]."""
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


def make_decoder(shape: DecoderShape) -> nn.Sequential:
    """[1, code_channels, h, w] to pixels [1, 3, 16 h, 16 w] before clamping."""
    channels = [shape.base_channels * multiplier for multiplier in shape.multipliers]
    width = channels[-1]
    parts = [conv(shape.code_channels, width), ResBlock(width, width), ResBlock(width, width)]
    for level in reversed(range(len(channels))):
        for _ in range(shape.res_blocks + 1):
            parts.append(ResBlock(width, channels[level]))
            width = channels[level]
        if level > 0:
            parts.append(Upsample(width))
    return nn.Sequential(*parts, norm(width), nn.SiLU(), conv(width, 3))


def main() -> None:
    """Parses the command line and prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the picture, pixels")
    parser.add_argument("--precision", choices=("f32", "bf16", "autocast"), default="bf16")
    parser.add_argument("--layout", choices=("nchw", "nhwc"), default="nhwc")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    shape = DecoderShape()
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    layout = torch.channels_last if options.layout == "nhwc" else torch.contiguous_format
    decoder = make_decoder(shape).eval().to(dtype=dtype, memory_format=layout)
    side = options.size // shape.pixels_per_code
    codes = torch.randn(1, shape.code_channels, side, side).to(dtype=dtype, memory_format=layout)

    def decode() -> float:
        start = time.perf_counter()
        pixels = decoder(codes).clamp(-1, 1)
        ((pixels.float() + 1) * 127.5).to(torch.uint8)
        return time.perf_counter() - start

    with torch.inference_mode(), torch.autocast(
            "cpu", torch.bfloat16, enabled=options.precision == "autocast"):
        decode()  # warms up
        seconds = [decode() for _ in range(options.repeats)]
    context = {
        "size": options.size, "precision": options.precision, "layout": options.layout,
        "threads": options.threads, "torch": torch.__version__,
    }
    records.write(records.record("vae_seconds", "s", seconds, **context))
    records.write(records.record("peak_rss", "MiB", [records.memory_mib("VmHWM")], **context))


if __name__ == "__main__":
    main()
