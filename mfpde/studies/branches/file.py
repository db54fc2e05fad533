"""The file of branches: what a search is gone on from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mfpde.configuration.families import Family
from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import differing_keys, to_toml
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.keys.reader import one_line
from mfpde.results.answers.branches import Branches
from mfpde.results.files.netcdf_file import DAMAGE
from mfpde.shell.files import read_json, write_json
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.continuation import CurvePoint
from mfpde.studies.branches.equations import Landscapes, LawEquations
from mfpde.studies.branches.samples import FollowedBranch, sample
from mfpde.studies.run.output import refuse_missing

REMEDY = "name another file with -o, or replace this one with --force"


@dataclass(frozen=True)
class Question:
    """What is searched for, as a file says it.

    Attributes:
        configuration: TOML at the first value of the key.
        values: of the key, at which laws are searched for.
        radius, most_atoms: as `branches` takes them.
    """

    configuration: str
    values: tuple[float, ...]
    radius: float
    most_atoms: int

    @classmethod
    def of(cls, family: Family, radius: float, most_atoms: int) -> Question:
        """Of a family."""
        (variation,) = family.variations
        return cls(to_toml(family.at(variation.values[0])), tuple(variation.values), radius, most_atoms)

    def differences(self, other: Question, key: str) -> list[str]:
        """In what another question differs."""
        first, second = (parse(tomllib.loads(question.configuration)) for question in (self, other))
        rest = [name for name in differing_keys(first, second) if name != key]
        found = [f"another problem, which differs in {', '.join(rest)}"] if rest else []
        found += [f"other values of {key}"] if self.values != other.values else []
        found += [f"another --radius, {other.radius:g}"] if self.radius != other.radius else []
        return found + ([f"another --atoms, {other.most_atoms}"] if self.most_atoms != other.most_atoms else [])


@dataclass(frozen=True)
class Found:
    """What a search has found so far.

    Attributes:
        searched: at how many of the values.
        words: what these searches left open.
        followed: the curves.
    """

    searched: int
    words: tuple[str, ...]
    followed: tuple[FollowedBranch, ...]


def write(path: Path, answer: Branches, question: Question, found: Found) -> None:
    """Write what is known, and what it takes to go on; raises OutputError."""
    begun = {
        "question": vars(question),
        "searched": found.searched,
        "words": found.words,
        "curves": [_curve(branch) for branch in found.followed],
    }
    write_json(path, {**answer.to_json(), "begun": begun, "format": f"mfpde {answer.name} 1"})


def _curve(branch: FollowedBranch) -> dict[str, Any]:
    first = branch.samples[0]
    return {
        "positions": first.law.points.tolist(),
        "masses": first.law.weights.tolist(),
        "states": [each.point.state.tolist() for each in branch.samples],
        "tangents": [each.point.tangent.tolist() for each in branch.samples],
    }


def earlier_search(path: Path, question: Question, landscapes: Landscapes) -> tuple[Branches, Found]:
    """The branches of a file and the search that found them.

    Raises:
        ResultFileError: the file is missing, damaged or foreign.
        ConfigurationError: it answers another question.
    """
    refuse_missing(path)
    try:
        content = read_json(path)
        answer, begun = Branches.from_json(content), content["begun"]
        asked = begun["question"]
        then = Question(asked["configuration"], tuple(asked["values"]), asked["radius"], asked["most_atoms"])
        problems = question.differences(then, answer.key)
        if answer.key != landscapes.variation.key:
            problems = [f"another key, {answer.key}"]
        if problems:
            remedy = "resume with the same values, or name another file with -o"
            raise ConfigurationError([f"{path}: holds branches of {problem}; {remedy}" for problem in problems])
        curves = tuple(_followed(landscapes, curve) for curve in begun["curves"])
        return answer, Found(int(begun["searched"]), tuple(begun["words"]), curves)
    except (*DAMAGE, OSError, RecursionError) as error:
        words = f"no branches that can be continued ({one_line(str(error))})"
        raise ResultFileError(f"{path}: {words}; {REMEDY}") from None


def _followed(landscapes: Landscapes, curve: Mapping[str, Sequence[Any]]) -> FollowedBranch:
    states, tangents = (np.array(curve[name], dtype=float) for name in ("states", "tangents"))
    law = Atoms(np.array(curve["positions"], dtype=float), np.array(curve["masses"], dtype=float))
    equations = LawEquations(landscapes, law, float(states[0, -1]))
    return FollowedBranch(
        equations, tuple(sample(equations, CurvePoint(*pair)) for pair in zip(states, tangents, strict=True))
    )
