"""Markdown tables of comparisons: a column per side, a row per quantity."""

import statistics

from sides import Results


def number(value: float, digits: int = 3) -> str:
    """At least `digits` significant digits, no exponent."""
    decimals = max(0, digits - len(str(int(abs(value)))))
    return f"{value:,.{decimals}f}"


def spread(values: list[float]) -> str:
    """Median, then least and largest: `12.3 (11.9-12.8)`."""
    middle = number(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values))}-{number(max(values))})"


def times_faster(ours: list[float], theirs: list[float], larger_is_better: bool) -> list[float]:
    """One ratio per round, more than 1 where ours is faster."""
    return [a / b if larger_is_better else b / a for a, b in zip(ours, theirs, strict=True)]


class Table:
    """A table whose last columns compare our sides with the best of every program, round by round.

    `programs` names the peers' sides by their program.
    """

    def __init__(self, title: str, ours: list[str], programs: dict[str, list[str]]):
        self.ours, self.programs = ours, programs
        self.peers = [side for sides in programs.values() for side in sides]
        factors = [self._factor_title(name, program) for program in programs for name in ours]
        self.rows = [[title, *ours, *self.peers, *factors]]
        self.rows.append(["---"] * len(self.rows[0]))

    def _factor_title(self, name: str, program: str) -> str:
        title = f"times the best {program}"
        return title if len(self.ours) == 1 else f"{name}: {title}"

    def compare(
        self, what: str, results: Results, quantity: str, larger_is_better: bool = True
    ) -> None:
        """A row of measured values; a program's best is bold. Sides that have none stay empty."""
        row = [what, *(spread(results.get(name, quantity)) for name in self.ours)]
        factors = []
        for sides in self.programs.values():
            rated = {
                name: statistics.median(results.get(name, quantity))
                for name in sides if results.has(name, quantity)}
            best = (max if larger_is_better else min)(rated, key=rated.__getitem__)
            for name in sides:
                text = spread(results.get(name, quantity)) if name in rated else ""
                row.append(f"**{text}**" if name == best else text)
            factors += [
                spread(times_faster(
                    results.get(name, quantity), results.get(best, quantity), larger_is_better))
                for name in self.ours]
        self.rows.append(row + factors)

    def state(self, what: str, texts: dict[str, str]) -> None:
        """A row of texts by side, without a ratio."""
        sides = [*self.ours, *self.peers]
        self.rows.append(
            [what, *(texts.get(name, "") for name in sides),
             *("" for _ in range(len(self.ours) * len(self.programs)))])

    def __str__(self) -> str:
        return "\n".join("|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|"
                         for row in self.rows)
