"""What a mistake in the syntax of TOML was meant to be, in words."""

from __future__ import annotations

import re
from collections.abc import Callable

from mfpde.keys.reader import one_line, printable

PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
WORDS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
INFINITE = {"infinity", "infinite", "inf", "∞"}
GENERAL = 'key = value with a number, "text", [list] or { table }, or [table] on a line of its own'
NOTHING = {"none", "null", "nil", "nan"}


def toml_mistake(text: str, error: Exception) -> str:
    """An error of tomllib's about a text: the line, what is wrong with it, what to write."""
    reason = str(error).partition(";")[0]
    place = PLACE.search(reason)
    lines = text.splitlines()
    number = int(place[1]) if place else len(lines)
    line = printable(lines[number - 1].strip()) if 0 < number <= len(lines) else ""
    found = f"line {number}, {one_line(line)}" if line else f"line {number}"
    meant = next(filter(None, (rule(line, reason) for rule in RULES)), None)
    return f"{found}: {meant or f'{reason}; write {GENERAL}'}"


def _repeated(line: str, reason: str) -> str | None:
    if not reason.startswith(("Cannot declare", "Cannot overwrite", "Cannot mutate", "Duplicate")):
        return None
    return "says again what the file has said above; write each table and each key once"


def _header(line: str, reason: str) -> str | None:
    header = re.fullmatch(r"\[\s*([\w.-]+)\s*[^\]\w=]*(#.*)?", line)
    return f"the bracket of a table is not closed; write [{header[1]}]" if header else None


def _assigned(line: str, reason: str) -> str | None:
    """A key without =, or without a value."""
    other = re.fullmatch(r"([\w.-]+)\s*(?::=|==|:|=>|\s)\s*([^\s=].*)", line)
    if other:
        return f"a key and its value are joined by =; write {other[1]} = {other[2]}"
    bare = re.fullmatch(r"([\w.-]+)\s*=?\s*(#.*)?", line)
    return f"the key has no value; write {bare[1]} = and a value, or leave the line out" if bare else None


def _value(line: str, reason: str) -> str | None:
    """A value that another language would spell like this."""
    key, equals, value = (part.strip() for part in line.partition("="))
    if not equals or not re.fullmatch(r"[\w.-]+", key):
        return None
    content = value.partition("#")[0].strip()
    if re.fullmatch(r"[+-]?\d+,\d+", content):
        return f"numbers have a decimal point, not a comma; write {key} = {content.replace(',', '.')}"
    numbers = re.sub(r"(?<![\w.])([+-]?)\.(\d)", r"\g<1>0.\2", content)
    numbers = re.sub(r"(?<![\w.])([+-]?\d+)\.(?![\d])", r"\g<1>.0", numbers)
    if numbers != content and '"' not in content:
        return f"a number has a digit on either side of its point; write {key} = {numbers}"
    for mark in "“”„‘’«»":
        content = content.replace(mark, '"')
    return _number(key, content) or _word(key, content) or _text(key, content)


def _number(key: str, content: str) -> str | None:
    """A number with zeros before it or something behind it."""
    number = re.fullmatch(r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(.*)", content)
    if number is None:
        return None
    if not number[2]:
        meant = re.sub(r"^([+-]?)0+", r"\1", number[1])
        return f"a number has no zero before its first digit; write {key} = {meant}"
    return f"{one_line(number[2].strip())} does not belong to a number; write {key} = {number[1]}, or the number meant"


def _word(key: str, content: str) -> str | None:
    """A name without its quotes, or a word for yes, no, infinity and nothing."""
    if not re.fullmatch(r"[^\W\d][\w.-]*|[+-]?∞", content):
        return None
    lowered = content.lower()
    if lowered in WORDS:
        return f"not a value of TOML; write {key} = {WORDS[lowered]}"
    if lowered in INFINITE:
        return f"not a number of TOML; write {key} = inf"
    if lowered in NOTHING:
        return "TOML has no such value; leave the line out"
    return f'text has quotes around it; write {key} = "{content}"'


def _text(key: str, content: str) -> str | None:
    """Text whose quotes are missing, of another kind or not closed."""
    inside = content.strip("\"'")
    if "\\" in inside and "'" not in inside:
        return f"a backslash is kept between single quotes; write {key} = '{inside}'"
    if re.match(r"[\"']", content) and not re.search(r"[\"'\\]", inside):
        return f'text stands between straight quotes; write {key} = "{inside}"'
    return None


def _unclosed(line: str, reason: str) -> str | None:
    if reason.startswith("Unclosed array"):
        return "a list begun here or above is not closed, or lacks a comma; write [first, second, ...]"
    if "inline table" in reason or line.count("{") > line.count("}"):
        return "a table between braces stands on one line, with commas; write { first = ..., second = ... }"
    return None


def _remark(line: str, reason: str) -> str | None:
    return f"a remark begins with #; write # {line.lstrip('/;%- ')}" if re.match(r"//|;|%|--", line) else None


RULES: tuple[Callable[[str, str], str | None], ...] = (_repeated, _remark, _header, _value, _unclosed, _assigned)
