#!/usr/bin/env python3
"""Prints the table of recipes: what each makes of a checkpoint, nearest, calibrated, and calibrated for it.

    Tests/accuracy/table.py SHAPES_CHECKPOINT [--cases DIR] [--limit N] [--work DIR]

Above the table stand the date and the hashes of the checkpoint, of the cases and of the reference, which is the
checkpoint in f32; each row ends with its model's hash. What the work folder has already is not made again, so that a
run that is stopped goes on with the same command. The shapes checkpoint takes half an hour of two cores.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPES = ["int8", "balanced", "int4", "small"]
HEADINGS = "recipe, MB, bits per weight, output error, bits equal, KL per bit, KL per token, answers equal, hash"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--cases", default=ROOT / "Tests/Fixtures/shapes-eval", type=pathlib.Path)
    parser.add_argument("--limit", type=int, help="cases of each kind at most")
    parser.add_argument("--work", default="accuracy-work", type=pathlib.Path)
    parser.add_argument("--programs", default=ROOT / ".build/release", type=pathlib.Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    run = Run(options)
    reference = run.model("f32")
    reports = [(name, run.report(path)) for name, path in run.rows()]
    found = reports[0][1]
    cases = options.cases / "eval.json"
    print(
        f"*{max(report['date'] for _, report in reports)}, {run.call('varlite', '--version').split(' (')[0]}; "
        f"checkpoint {digest(options.checkpoint.glob('*.safetensors'))}, "
        f"{count(cases, options.limit)} cases {digest([cases])}, "
        f"reference {found['reference']['hash'][:8]} of {reference.stat().st_size / 1e6:.2f} MB*\n")
    headings = HEADINGS.split(", ")
    print("|", " | ".join(headings), "|")
    print("|", " | ".join(["---"] * len(headings)), "|")
    for name, report in reports:
        print("|", " | ".join([name, *cells(report["models"][0])]), "|")


class Run:
    """Makes what the table needs; the work folder keeps it."""

    def __init__(self, options):
        self.options = options

    def call(self, program, *arguments):
        """Runs a program, and gives its standard output."""
        command = [str(self.options.programs / program), *map(str, arguments)]
        print("$", " ".join(command), file=sys.stderr)
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def model(self, recipe, calibration=None):
        path = self.options.work / f"{recipe}{'-' + calibration.stem if calibration else ''}.vq4"
        if not path.exists():
            rounding = ["--calibration", calibration] if calibration else []
            self.call(
                "varconvert", self.options.checkpoint, "-o", path, "--recipe", recipe, "--quiet", "--resume", *rounding)
        return path

    def calibration(self, recipe=None):
        path = self.options.work / f"{'for-' + recipe if recipe else 'all'}.safetensors"
        if not path.exists():
            kind = ["--for", recipe] if recipe else []
            self.call("varconvert", "calibrate", self.model("f32"), "-o", path, "--quiet", "--resume", *kind)
        return path

    def rows(self):
        for recipe in RECIPES:
            yield f"{recipe}, nearest", self.model(recipe)
            yield f"{recipe}, calibrated", self.model(recipe, self.calibration())
            if recipe != "int8":
                yield f"**{recipe}, calibrated for it**", self.model(recipe, self.calibration(recipe))

    def report(self, path):
        """What `varlite accuracy` says of a model; the reference is run for the first one alone."""
        limit = ["--limit", self.options.limit] if self.options.limit else []
        words = ["accuracy", self.model("f32"), path, "--cases", self.options.cases, *limit]
        kept = path.with_suffix(".json")
        if kept.exists():
            record = json.loads(kept.read_text(encoding="utf-8"))
            if record["command"] == list(map(str, words)):
                return record["report"]
        outputs = self.options.work / f"{self.options.limit or 'all'}.outputs"
        report = json.loads(self.call("varlite", *words, "--reference-outputs", outputs, "--json", "--quiet"))
        record = {"command": list(map(str, words)), "report": report}
        kept.with_suffix(".new").write_text(json.dumps(record), encoding="utf-8")
        kept.with_suffix(".new").replace(kept)
        return report


def count(path, limit):
    """How many cases models get, questions, drawings and edits."""
    cases = json.loads(path.read_text(encoding="utf-8"))
    return sum(len(cases[kind][:limit]) for kind in ("vqa", "generation", "edit"))


def digest(paths):
    """The first eight digits of the SHA-256 of files, one after the other by name."""
    sha = hashlib.sha256()
    for path in sorted(paths):
        sha.update(path.read_bytes())
    return sha.hexdigest()[:8]


def cells(model):
    """The row of a model."""
    bits, words, answers = model["bits"], model["words"], model["outcomes"]["vqa"]
    return [
        f"{model['bytes'] / 1e6:.2f}", f"{model['bits_per_weight']:.2f}", f"{100 * model['output_error']:.2f} %",
        f"{measure(bits['same_top'], 100, 2)} %", f"{measure(bits['kl_nats'], 1e5, 0)}e-5",
        f"{measure(words['kl_nats'], 1e5, 1)}e-5", f"{100 * answers['same_answers'] / answers['cases']:.1f} %",
        model["hash"][:8],
    ]


def measure(value, scale, digits):
    error = value.get("standard_error")
    return f"{value['mean'] * scale:.{digits}f}" + (f" ± {error * scale:.{digits}f}" if error else "")


if __name__ == "__main__":
    main()
