"""The experiments of the literature, runnable by name."""

from __future__ import annotations

from importlib.resources import files


def names() -> tuple[str, ...]:
    """The names of the presets, sorted."""
    entries = (entry.name for entry in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in entries if name.endswith(".toml")))


def text(name: str) -> str:
    """The TOML text of a preset; raises KeyError for an unknown name."""
    if name not in names():
        raise KeyError(name)
    return files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")


def title(name: str) -> str:
    """The first comment line of a preset, which says what it shows."""
    return text(name).splitlines()[0].removeprefix("#").strip()
