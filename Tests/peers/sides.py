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
    """A program with its arguments. `name` is what the table calls it."""

    name: str
    command: tuple[str, ...]


@dataclass
class Results:
    """Values by side and quantity, one per round."""

    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    lines: dict[tuple[str, str], dict] = field(default_factory=dict)

    def add(self, side: str, line: dict) -> None:
        """Takes a line of JSON that a side printed."""
        key = (side, line["name"])
        self.values.setdefault(key, []).append(line["value"])
        self.lines[key] = line

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
