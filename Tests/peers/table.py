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
    """A table whose last column compares our side with the best of the peers, round by round."""

    def __init__(self, title: str, ours: list[str], peers: list[str]):
        self.ours, self.peers = ours, peers
        columns = [title, *ours, *peers, *(self._factor_title(name) for name in ours)]
        self.rows = [columns, ["---"] * len(columns)]

    def _factor_title(self, name: str) -> str:
        return "times the best peer" if len(self.ours) == 1 else f"{name}: times the best peer"

    def compare(
        self, what: str, results: Results, quantity: str, larger_is_better: bool = True
    ) -> None:
        """A row of measured values; the best peer is bold. Sides that have none stay empty."""
        rated = {
            name: statistics.median(results.get(name, quantity))
            for name in self.peers if results.has(name, quantity)}
        best = (max if larger_is_better else min)(rated, key=rated.__getitem__)
        row = [what, *(spread(results.get(name, quantity)) for name in self.ours)]
        for name in self.peers:
            text = spread(results.get(name, quantity)) if name in rated else ""
            row.append(f"**{text}**" if name == best else text)
        for name in self.ours:
            row.append(spread(times_faster(
                results.get(name, quantity), results.get(best, quantity), larger_is_better)))
        self.rows.append(row)

    def state(self, what: str, texts: dict[str, str]) -> None:
        """A row of texts by side, without a ratio."""
        sides = [*self.ours, *self.peers]
        self.rows.append(
            [what, *(texts.get(name, "") for name in sides), *("" for _ in self.ours)])

    def __str__(self) -> str:
        return "\n".join("|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|"
                         for row in self.rows)
