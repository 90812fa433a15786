#!/usr/bin/env python3
"""Prints the table of recipes: what each makes of a checkpoint, nearest, calibrated, and calibrated for it.

    Tests/accuracy/table.py SHAPES_CHECKPOINT [--cases DIR] [--limit N] [--work DIR]

The reference (the checkpoint in f32) is run once; files that are in the work
folder already are not made again. Half an hour for the shapes checkpoint on two cores.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPES = ["int8", "balanced", "int4", "small"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--cases", default=ROOT / "Tests/Fixtures/shapes-eval")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--work", default="accuracy-work", type=pathlib.Path)
    parser.add_argument("--programs", default=ROOT / ".build/release", type=pathlib.Path)
    options = parser.parse_args()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)

    def run(program, *arguments):
        """Runs a program, and gives its standard output."""
        command = [str(options.programs / program), *map(str, arguments)]
        print("$", " ".join(command), file=sys.stderr)
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def model(recipe, calibration=None):
        path = work / f"{recipe}{'-' + calibration.stem if calibration else ''}.vq4"
        if not path.exists():
            rounding = ["--calibration", calibration] if calibration else []
            run("varconvert", options.checkpoint, "-o", path, "--recipe", recipe, "--quiet", *rounding)
        return path

    def calibration(recipe=None):
        path = work / f"{'for-' + recipe if recipe else 'all'}.safetensors"
        if not path.exists():
            run("varconvert", "calibrate", model("f32"), "-o", path, "--quiet", *(["--for", recipe] if recipe else []))
        return path

    rows = [("f32", model("f32"))]
    for recipe in RECIPES:
        rows.append((f"{recipe}, nearest", model(recipe)))
        rows.append((f"{recipe}, calibrated", model(recipe, calibration())))
        if recipe != "int8":
            rows.append((f"**{recipe}, calibrated for it**", model(recipe, calibration(recipe))))
    limit = ["--limit", options.limit] if options.limit else []
    report = json.loads(
        run(
            "varlite", "accuracy", model("f32"), *[path for _, path in rows[1:]], "--cases", options.cases,
            "--reference-outputs", work / "reference.outputs", "--json", "--quiet", *limit,
        )
    )
    print(f"{report['date']}, reference {report['reference']['hash']}\n")
    headings = ["recipe", "MB", "bits per weight", "output error", "bits equal", "KL per bit", "KL per token"]
    headings += ["answers equal", "hash"]
    print("|", " | ".join(headings), "|")
    print("|", " | ".join(["---"] * len(headings)), "|")
    for (name, _), found in zip(rows[1:], report["models"]):
        bits, words = found["bits"], found["words"]
        answers = found["outcomes"]["vqa"]

        def measure(value, scale, digits):
            error = value.get("standard_error")
            return f"{value['mean'] * scale:.{digits}f}" + (f" ± {error * scale:.{digits}f}" if error else "")

        print(
            f"| {name} | {found['bytes'] / 1e6:.2f} | {found['bits_per_weight']:.2f} | {found['output_error']:.2%} | "
            f"{measure(bits['same_top'], 100, 2)} % | {measure(bits['kl_nats'], 1e5, 0)}e-5 | "
            f"{measure(words['kl_nats'], 1e5, 1)}e-5 | {answers['same_answers'] / answers['cases']:.1%} | "
            f"{found['hash'][:8]} |"
        )


if __name__ == "__main__":
    main()
