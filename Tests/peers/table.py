"""Markdown tables of comparisons."""

import statistics

from sides import Results


def spread(values: list[float], digits: int = 3) -> str:
    """Median, then least and largest: `12.3 (11.9-12.8)`."""
    middle = number(statistics.median(values), digits)
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values), digits)}-{number(max(values), digits)})"


def number(value: float, digits: int = 3) -> str:
    """At least `digits` significant digits, no exponent."""
    decimals = max(0, digits - len(str(int(abs(value)))))
    return f"{value:,.{decimals}f}"


def ratios(ours: list[float], theirs: list[float], larger_is_better: bool) -> list[float]:
    """How many times faster we are, of each round."""
    return [a / b if larger_is_better else b / a for a, b in zip(ours, theirs, strict=True)]


class Table:
    """Rows of: what, VARLite, peer, ratio."""

    def __init__(self) -> None:
        self.rows = ["| | VARLite | peer | times faster |", "| --- | --- | --- | --- |"]

    def compare(
        self, what: str, results: Results, ours: str, peer: str, quantity: str,
        larger_is_better: bool = True, note: str = ""
    ) -> None:
        """A row for one quantity of both sides; the ratio is of each round."""
        mine, other = results.get(ours, quantity), results.get(peer, quantity)
        unit = results.lines[ours, quantity]["unit"]
        factor = spread(ratios(mine, other, larger_is_better))
        self.rows.append(
            f"| {what} | {spread(mine)} {unit} | {peer}{note}: {spread(other)} {unit} | {factor} |")

    def state(self, what: str, mine: str, other: str = "") -> None:
        """A row without a ratio."""
        self.rows.append(f"| {what} | {mine} | {other} | |")

    def __str__(self) -> str:
        return "\n".join(self.rows)
