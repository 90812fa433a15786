#!/usr/bin/env python3
"""Holds recipes that `varconvert --target-size` finds against those that are written by hand, at equal bytes.

Usage: recipes.py CHECKPOINT CASES WORK [--programs .build/release] [--limit N]

CHECKPOINT is a folder as `varconvert` takes it, CASES one with an eval.json, whose scenes no search has seen. In WORK
all models stay (some hundred megabytes for the demo model), and a second run makes only what is missing.

Prints a table, and a plot of the divergence of bits over bytes. Exits 1 where a file is not within 1 % below its
target, where a found recipe is behind one by hand of as many bytes, or where the expected divergence is off by more
than a fifth at more than two sizes.
"""

import argparse
import json
import math
import os
import subprocess
import sys

HAND = ["small", "int4", "balanced", "int8"]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("checkpoint")
    options.add_argument("cases")
    options.add_argument("work")
    options.add_argument("--programs", default=".build/release")
    options.add_argument("--limit", default="1000", help="cases of each kind that models are judged on")
    options.add_argument("--steps", type=int, default=5, help="sizes between the smallest and the largest by hand")
    options.add_argument("--search-cases", help="cases of a search; without it as many as are worth their time")
    options = options.parse_args()
    os.makedirs(options.work, exist_ok=True)
    run = Run(options)
    reference = run.convert("f32.vq4", "--recipe", "f32")
    calibration = run.path("calibration.safetensors")
    if not os.path.exists(calibration):
        run.call("varconvert", "calibrate", reference, "-o", calibration, "--quiet")
    models = []
    for name in HAND:
        path = run.convert(f"{name}.vq4", "--recipe", name, "--layout", "compact", "--calibration", calibration)
        models.append(Model(name, path))
    sizes = {f"as {model.name}": model.bytes for model in models}
    least, most = models[0].bytes, models[-1].bytes
    for step in range(1, options.steps + 1):
        sizes[f"between, {step}"] = int(least + (most - least) * step / (options.steps + 1))
    for name, size in sizes.items():
        models.append(run.find(name, size, calibration))
    run.judge(reference, models)
    sys.exit(report(models))


class Model:
    def __init__(self, name, path, target=None, expected=None):
        self.name, self.path, self.target, self.expected = name, path, target, expected
        self.bytes = os.path.getsize(path)


class Run:
    def __init__(self, options):
        self.options = options

    def path(self, name):
        return os.path.join(self.options.work, name)

    def call(self, program, *arguments):
        command = [os.path.join(self.options.programs, program), *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
        return done.stdout

    def convert(self, name, *arguments):
        path = self.path(name)
        if not os.path.exists(path):
            self.call("varconvert", self.options.checkpoint, "-o", path, *arguments, "--quiet")
        return path

    def find(self, name, size, calibration):
        path = self.path(f"found-{size}.vq4")
        report = path + ".json"
        if not os.path.exists(report):
            # What one search has measured serves all.
            state = self.path("search")
            if os.path.exists(state):
                with open(state, "rb") as source, open(path + ".search", "wb") as copy:
                    copy.write(source.read())
            text = self.call(
                "varconvert", self.options.checkpoint, "-o", path, "--target-size", str(size), "--layout", "compact",
                "--calibration", calibration, "--force", "--json",
                *(["--search-cases", self.options.search_cases] if self.options.search_cases else []))
            with open(path + ".search", "rb") as source, open(state, "wb") as copy:
                copy.write(source.read())
            with open(report, "wb") as file:
                file.write(text)
        with open(report, encoding="utf-8") as file:
            return Model(name, path, size, json.load(file)["search"]["chosen"])

    def judge(self, reference, models):
        """Holds all models against the reference."""
        missing = [model for model in models if not os.path.exists(model.path + ".accuracy.json")]
        if missing:
            text = self.call(
                "varlite", "accuracy", reference, *[model.path for model in missing], "--cases", self.options.cases,
                "--limit", self.options.limit, "--json")
            for model, figures in zip(missing, json.loads(text)["models"]):
                with open(model.path + ".accuracy.json", "w", encoding="utf-8") as file:
                    json.dump(figures, file)
        for model in models:
            with open(model.path + ".accuracy.json", encoding="utf-8") as file:
                figures = json.load(file)
            model.bits = figures["bits"]["same_top"]["mean"] * 100
            model.kl = figures["bits"]["kl_nats"]["mean"]
            model.error = figures["bits"]["kl_nats"].get("standard_error", 0)
            model.token_kl = figures["words"]["kl_nats"]["mean"]


def report(models):
    faults = []
    models = sorted(models, key=lambda model: model.bytes)
    print(f"{'recipe':14} {'bytes':>10} {'of target':>9} {'bits equal':>10} {'KL/bit':>16} {'expected':>8} "
          f"{'KL/token':>8}")
    far = 0
    for model in models:
        share = f"{model.bytes / model.target:.2%}" if model.target else ""
        expected = ""
        if model.expected:
            ratio = model.expected["kl_per_bit"] / model.kl
            expected = f"{ratio - 1:+.0%}"
            far += abs(ratio - 1) > 0.2
            if not 0.99 <= model.bytes / model.target <= 1:
                faults.append(f"{model.name}: {model.bytes} bytes for a target of {model.target}")
        print(f"{model.name:14} {model.bytes:10} {share:>9} {model.bits:8.3f} % "
              f"{model.kl * 1e5:7.1f} ± {model.error * 1e5:3.1f}e-5 {expected:>8} {model.token_kl * 1e5:6.1f}e-5")
    if far > 2:
        faults.append(f"the divergence was expected within a fifth at all but {far} sizes")
    for hand in models:
        if hand.target:
            continue
        for found in models:
            # Twice the standard error of a difference is not told apart.
            if found.target == hand.bytes and found.kl > hand.kl + 2 * hand.error:
                faults.append(f"{found.name}: KL per bit {found.kl:.2e}, {hand.name} has {hand.kl:.2e}")
    plot(models)
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


def plot(models):
    """The logarithm of KL per bit over bytes: o by hand, x found."""
    width, height = 72, 16
    least, most = models[0].bytes, models[-1].bytes
    logs = [math.log(model.kl) for model in models]
    low, high = min(logs), max(logs)
    field = [[" "] * width for _ in range(height)]
    for model, value in zip(models, logs):
        column = round((model.bytes - least) / max(1, most - least) * (width - 1))
        row = round((high - value) / max(1e-9, high - low) * (height - 1))
        field[row][column] = "x" if model.target else "o"
    print(f"\nKL per bit, {math.exp(high):.1e} above, {math.exp(low):.1e} below; "
          f"{least / 1e6:.1f} to {most / 1e6:.1f} MB")
    for row in field:
        print("| " + "".join(row))
    print("o by hand, x found\n")


main()
