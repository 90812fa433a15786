"""Sizes of the networks that are compared; the same as `varbench --shape`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageShape:
    """A Qwen2 language model. All fields count elements, heads or layers."""

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    tied: bool

    @property
    def kv_width(self) -> int:
        """Elements of one token's keys in one layer."""
        return self.hidden // self.heads * self.kv_heads


LANGUAGE_SHAPES = {
    "qwen2-7b": LanguageShape(3584, 18944, 28, 28, 4, 152064, False),
    "qwen2-1.5b": LanguageShape(1536, 8960, 28, 12, 2, 151936, True),
    "qwen2-0.5b": LanguageShape(896, 4864, 24, 14, 2, 151936, True),
}


@dataclass(frozen=True)
class DecoderShape:
    """The picture tokenizer's decoder."""

    code_channels: int = 32
    base_channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 4, 4, 4)
    res_blocks: int = 2
    pixels_per_code: int = 16
