"""Two records beside each other: every difference, in words and as the largest relative one."""

from __future__ import annotations

import difflib
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.compare_versions.cases.presets import SCHEMES

VOLATILE = re.compile(r"(\w+_)?seconds|git_revision|version_\w+|checksum")
"""Keys whose values change from run to run, or with the version."""
REPLACED = (
    (re.compile(r"\b[0-9a-f]{40}\b\+?"), "REVISION"),
    (re.compile(r"\bmfpde \d+\.\d+[\w.+]*"), "mfpde VERSION"),
    (re.compile(r"\b\d+(\.\d+)?(e[+-]?\d+)? s\b"), "TIME s"),
    (re.compile(r"\b\d+(\.\d+)?(e[+-]?\d+)? steps/s\b"), "RATE steps/s"),
    (re.compile(rf"^((?:{'|'.join(SCHEMES)}) +\w+ .*?) +\d+\.\d\d$", re.MULTILINE), r"\1 TIME"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "ADDRESS"),
    (re.compile(r"/[^\s'\"]*/site-packages/"), "PACKAGES/"),
)
"""Parts of a text that change from run to run, or with the version, and what stands for them."""


@dataclass
class Difference:
    """What two records of a case have not in common.

    Attributes:
        largest: largest difference of two numbers, relative to the largest number of their array, or to 1.
        where: which array that is.
        bits: whether all numbers are equal to the bit.
        messages: differences of texts, exit codes and files, each some lines.
        seconds: time of the commands in both records.
    """

    largest: float = 0.0
    where: str = ""
    bits: bool = True
    messages: list[str] = field(default_factory=list)
    seconds: tuple[float, float] = (0.0, 0.0)

    def holds(self, tolerance: float) -> bool:
        """Whether nothing differs but numbers, by no more than the tolerance."""
        return not self.messages and self.largest <= tolerance

    def verdict(self, tolerance: float) -> str:
        """The difference in a few words."""
        if self.bits:
            numbers = "equal to the bit"
        else:
            beyond = "" if self.largest <= tolerance else " BEYOND THE TOLERANCE"
            numbers = f"differ by {self.largest:.1e}{beyond} ({self.where})"
        return f"MESSAGES DIFFER, numbers {numbers}" if self.messages else numbers


def compare_records(before: dict[str, Any], after: dict[str, Any]) -> Difference:
    """Everything in which two records of a case differ."""
    found = Difference(seconds=(total_seconds(before), total_seconds(after)))
    if len(before["commands"]) != len(after["commands"]):
        found.messages.append("the case has other commands: record it again")
    for first, second in zip(before["commands"], after["commands"], strict=False):
        compare_commands(first, second, found)
    compare_values("", before["files"], after["files"], found)
    return found


def total_seconds(recorded: dict[str, Any]) -> float:
    """Time of the commands of a case."""
    return float(sum(command["seconds"] for command in recorded["commands"]))


def compare_commands(before: dict[str, Any], after: dict[str, Any], found: Difference) -> None:
    """Arguments, exit codes and both outputs of a command."""
    line = f"mfpde {shlex.join(before['argv'])}"
    if before["argv"] != after["argv"]:
        found.messages.append(f"{line}\nwas recorded with other arguments: record it again")
    if before["code"] != after["code"]:
        found.messages.append(f"{line}\nexit code {before['code']} before, {after['code']} after")
    objects = json_object(before["stdout"]), json_object(after["stdout"])
    both = objects[0] is not None and objects[1] is not None
    if both:
        compare_values("stdout", *objects, found)
    for stream in ("stderr",) if both else ("stdout", "stderr"):
        compare_texts(f"{line}\n{stream}", before[stream], after[stream], found)


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, if it is one."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def normalised(text: str) -> str:
    """A text without timings, revisions, versions and addresses."""
    for pattern, name in REPLACED:
        text = pattern.sub(name, text)
    return text


def compare_texts(where: str, before: str, after: str, found: Difference) -> None:
    """A unified difference of two texts, if they say different things."""
    first, second = (normalised(text).splitlines() for text in (before, after))
    if first != second:
        lines = difflib.unified_diff(first, second, "before", "after", lineterm="", n=1)
        found.messages.append("\n".join([where, *lines]))


def compare_values(where: str, before: Any, after: Any, found: Difference) -> None:
    """Two JSON values, part by part."""
    first, second = array_of(before), array_of(after)
    if first is not None and second is not None:
        compare_arrays(where, first, second, found)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            if not VOLATILE.fullmatch(key):
                compare_parts(f"{where} {key}".strip(), before, after, key, found)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            compare_values(f"{where}[{index}]", one, other, found)
    elif isinstance(before, str) and isinstance(after, str):
        compare_texts(where, before, after, found)
    elif before != after:
        found.messages.append(f"{where}: {brief(before)} before, {brief(after)} after")


def compare_parts(where: str, before: dict[str, Any], after: dict[str, Any], key: str, found: Difference) -> None:
    """The values of a key, which may be missing in one of two objects."""
    if key in before and key in after:
        compare_values(where, before[key], after[key], found)
    else:
        found.messages.append(f"{where}: only {'before' if key in before else 'after'}")


def brief(value: Any) -> str:
    """The beginning of a value."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def array_of(value: Any) -> NDArray[Any] | None:
    """The array of numbers that a JSON value is, if it is one; None in a list stands for NaN."""
    if isinstance(value, dict) and {"dtype", "shape", "data"} <= value.keys() and value["dtype"] != "text":
        return np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return np.array(value)
    if isinstance(value, list) and value and all_numbers(value):
        try:
            return np.array(value, dtype=float)
        except ValueError:
            return None
    return None


def all_numbers(values: list[Any]) -> bool:
    """Whether a nested list holds numbers and None only."""
    return all(
        all_numbers(value) if isinstance(value, list) else value is None or type(value) in (int, float)
        for value in values
    )


def compare_arrays(where: str, before: NDArray[Any], after: NDArray[Any], found: Difference) -> None:
    """Two arrays of numbers: type, shape, bits, and the largest relative difference."""
    if before.shape != after.shape:
        found.messages.append(f"{where}: shape {before.shape} before, {after.shape} after")
        return
    if before.dtype != after.dtype:
        found.messages.append(f"{where}: {before.dtype} before, {after.dtype} after")
    if before.dtype == after.dtype and before.tobytes() == after.tobytes():
        return
    found.bits = False
    apart = relative_difference(before.astype(float), after.astype(float))
    if apart > found.largest or not found.where:
        found.largest, found.where = max(apart, found.largest), where


def relative_difference(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Largest difference over the largest number, or over 1 where that is larger; infinite if NaN or inf moved."""
    finite = np.isfinite(before)
    same = np.array_equal(before[~finite], after[~finite], equal_nan=True)
    if not (same and np.all(np.isfinite(after[finite]))):
        return math.inf
    if not np.any(finite):
        return 0.0
    scale = max(1.0, float(np.max(np.abs(before[finite]))), float(np.max(np.abs(after[finite]))))
    return float(np.max(np.abs(before[finite] - after[finite]))) / scale


def compare(before: Path, after: Path, names: Sequence[str], tolerance: float, allow: str | None) -> int:
    """Print the table and every difference; 1 if anything differs that is not allowed."""
    found: dict[str, Difference] = {}
    failed = []
    for name in names:
        difference = compare_files(before / name, after / name)
        case = name.removesuffix(".json").replace(".", "/")
        found[case] = difference
        allowed = allow is not None and re.search(allow, case) is not None
        word = "" if difference.holds(tolerance) else " (allowed)" if allowed else " (FAILS)"
        if word == " (FAILS)":
            failed.append(case)
        seconds = "{:7.1f} {:7.1f} s".format(*difference.seconds)
        print(f"{case:<48} {seconds}  {difference.verdict(tolerance)}{word}")
    show_messages(found)
    show_summary(found, failed)
    return 1 if failed else 0


def compare_files(before: Path, after: Path) -> Difference:
    """The difference of two stored cases, one of which may be missing."""
    for path, word in ((before, "before"), (after, "after")):
        if not path.is_file():
            return Difference(messages=[f"not recorded {word}"])
    return compare_records(*(json.loads(path.read_text(encoding="utf-8")) for path in (before, after)))


def show_messages(found: Mapping[str, Difference]) -> None:
    """Print what is not a number and differs, case by case."""
    for case, difference in found.items():
        if difference.messages:
            print(f"\n=== {case}")
            print("\n".join(difference.messages))


def show_summary(found: Mapping[str, Difference], failed: Sequence[str]) -> None:
    """Print counts, the largest difference and both times."""
    exact = sum(difference.bits and not difference.messages for difference in found.values())
    largest = max((difference.largest for difference in found.values()), default=0.0)
    times = [sum(difference.seconds[side] for difference in found.values()) for side in (0, 1)]
    print(f"\n{len(found)} cases: {exact} equal to the bit, {len(failed)} fail; largest difference {largest:.1e}")
    print(f"commands took {times[0]:.0f} s before, {times[1]:.0f} s after")
    if failed:
        print("fail: " + ", ".join(failed))
