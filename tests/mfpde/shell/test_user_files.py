"""Users' files in one process: loaded again from anywhere, their names forgotten or found again with the registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfpde.errors import ConfigurationError
from mfpde.problem.activations.interface import ACTIVATIONS, made_activation
from mfpde.shell.user_files import use

TEXT = """import mfpde
import numpy as np


@mfpde.activation("arch")
class Arch:
    def value(self, u):
        return {factor} * np.cos(u)

    def slope(self, u):
        return -{factor} * np.sin(u)
"""


def written(folder: Path, name: str, factor: float = 1.0) -> Path:
    path = folder / name
    path.write_text(TEXT.format(factor=factor))
    return path


def height() -> float:
    return float(made_activation("arch").value(np.zeros(1))[0])


def test_a_file_is_found_again_after_the_registry_forgot_it(tmp_path: Path) -> None:
    path = written(tmp_path, "one.py")
    for _ in range(2):
        with ACTIVATIONS.lending():
            use(path)
            assert height() == 1.0
        assert "arch" not in ACTIVATIONS


def test_a_copy_is_the_same_file_and_another_content_a_mistake(tmp_path: Path) -> None:
    with ACTIVATIONS.lending():
        first, copy = use(written(tmp_path, "one.py", 2.0)), use(written(tmp_path, "copy.py", 2.0))
        assert (Path(first.path).name, Path(copy.path).name) == ("one.py", "copy.py")
        assert first.digest == copy.digest
        words = r"other\.py, line 5: .*'arch' is registered already, by .*one\.py; correct it there"
        with pytest.raises(ConfigurationError, match=words):
            use(written(tmp_path, "other.py", 3.0))
        assert height() == 2.0


def test_a_file_that_moved_or_changed_gives_way(tmp_path: Path) -> None:
    with ACTIVATIONS.lending():
        path = written(tmp_path, "first.py", 4.0)
        use(path)
        path.unlink()
        use(written(tmp_path, "moved.py", 4.0))
        assert height() == 4.0
        for factor in (5.0, 4.0):
            use(written(tmp_path, "moved.py", factor))
            assert height() == factor
