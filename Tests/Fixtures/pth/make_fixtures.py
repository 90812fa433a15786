"""Writes the .pth files of this folder with the real PyTorch: python make_fixtures.py (made with 2.15)."""

import collections

import torch


def state_dict():
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tied = torch.tensor([0.5, -0.5], dtype=torch.float32)
    state = collections.OrderedDict(
        plain=base,
        rows=base[1:],
        parameter=torch.nn.Parameter(base.to(torch.bfloat16) / 8),
        half=base.half() / 4,
        scalar=torch.tensor(2.5),
        count=torch.tensor(7, dtype=torch.int64),
        tied_a=tied,
        tied_b=tied,
    )
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


for protocol in (1, 2, 3, 4, 5):
    nested = {
        "vae": state_dict(),
        "ema": {"plain": torch.zeros(1)},
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95)}]},
        "epoch": 3,
        "steps": 2**40,
        "large": 2**80,
        "args": None,
        "done": True,
        "shape": torch.Size([1, 2]),
        "note": "räks",
    }
    torch.save(nested, f"protocol{protocol}.pth", pickle_protocol=protocol)
torch.save({"plain": torch.zeros(2)}, "protocol0.pth", pickle_protocol=0)
torch.save({"plain": torch.zeros(2)}, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"turned": torch.arange(6.0).reshape(2, 3).t()}, "transposed.pth")
torch.save({"wide": torch.zeros(2, dtype=torch.float64)}, "double.pth")
torch.save(torch.nn.Linear(2, 2), "module.pth")
