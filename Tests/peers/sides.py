"""What takes part in a comparison, and running it: one process per measurement."""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Side:
    """A program with its arguments.

    `name` is what the table calls it; `model` is the file that it opens, if any.
    """

    name: str
    command: tuple[str, ...]
    model: Path | None = None


@dataclass
class Results:
    """Values by side and quantity, one per round. A prompt's length is part of `prefill`'s name."""

    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    lines: dict[tuple[str, str], dict] = field(default_factory=dict)

    def add(self, side: str, line: dict) -> None:
        """Takes a line of JSON that a side printed."""
        name = line["name"]
        key = (side, f"prefill {line['prompt']}" if name == "prefill" else name)
        self.values.setdefault(key, []).append(line["value"])
        self.lines[key] = line

    def move(self, source: str, target: str, quantity: str) -> None:
        """Gives a side what another name has measured for it."""
        self.values[target, quantity] = self.values.pop((source, quantity))

    def has(self, side: str, quantity: str) -> bool:
        """Whether the side has measured it."""
        return (side, quantity) in self.values

    def get(self, side: str, quantity: str) -> list[float]:
        """One value per round."""
        return self.values[side, quantity]


class Runner:
    """Runs sides and keeps what they print."""

    def __init__(self, work: Path, prefix: str, rounds: int):
        self.work = work
        self.prefix = shlex.split(prefix)
        self.rounds = rounds
        self.log = (work / "results.jsonl").open("a", encoding="utf-8")

    def run(self, side: Side, section: str, number: int) -> list[dict]:
        """The lines of one process. Ends the program where the process fails."""
        print(f"{section}, round {number}: {side.name}", file=sys.stderr, flush=True)
        if side.model:
            bring_into_memory(side.model)
        done = subprocess.run(
            [*self.prefix, *side.command], capture_output=True, text=True, check=False,
            errors="replace")
        if done.returncode != 0:
            raise SystemExit(f"{shlex.join(side.command)} failed:\n{done.stderr[-2000:]}")
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        for line in lines:
            entry = {"section": section, "side": side.name, "round": number, **line}
            self.log.write(json.dumps(entry) + "\n")
        self.log.flush()
        return lines

    def interleave(self, section: str, sides: list[Side]) -> Results:
        """All sides after each other, `rounds` times: what changes on the machine meets all."""
        results = Results()
        for number in range(1, self.rounds + 1):
            for side in sides:
                for line in self.run(side, section, number):
                    results.add(side.name, line)
        return results


def bring_into_memory(path: Path) -> None:
    """Reads a file, so that opening it measures the program and not the disk."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass
