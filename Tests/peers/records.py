"""Lines of JSON as `varbench` prints them."""

import json
import statistics


def record(name: str, unit: str, values: list[float], **context) -> dict:
    """One measured quantity; `value` is the median of its repeats."""
    return {
        "name": name, "value": statistics.median(values), "unit": unit, "min": min(values),
        "median": statistics.median(values), "max": max(values), "repeats": len(values),
        **context,
    }


def write(line: dict) -> None:
    """Prints one line at once, numbers with four significant digits."""
    print(json.dumps({key: rounded(value) for key, value in line.items()}), flush=True)


def rounded(value):
    """A float with four significant digits; anything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def memory_mib(key: str) -> float:
    """MiB of this process by a key of /proc/self/status, such as `VmHWM` (the largest so far)."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    raise KeyError(key)
