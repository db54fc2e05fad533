"""Mistakes where words come in and files go out: keys, configurations, files of results, commands, the shell."""

from __future__ import annotations

from validation.mutations.mutation import mutations

COMMANDS = "tests/mfpde/configuration tests/mfpde/commands"
FILES = "tests/mfpde/results tests/mfpde/studies/test_solve.py"

MUTATIONS = (
    *mutations(
        "mfpde/keys/declaration.py",
        "tests/mfpde/configuration/test_checked.py",
        ("what is made in Python not checked", "        raise_mistakes(errors)\n        for item", "        for item"),
    ),
    *mutations(
        "mfpde/results/objects.py",
        "tests/mfpde/results tests/mfpde/commands/test_main.py",
        (
            "numbers that are not finite in JSON",
            "return value if math.isfinite(value) else None",
            "return value if math.isfinite(value) else 0.0",
        ),
    ),
    *mutations(
        "mfpde/results/files/netcdf_file.py",
        FILES,
        ("a checksum without the numbers", "attributes), array.reshape(-1).data]", "attributes)]"),
    ),
    *mutations(
        "mfpde/keys/reader.py",
        COMMANDS,
        (
            "the open end of an interval accepted",
            "above = value > self.low if self.low_open else value >= self.low",
            "above = value >= self.low",
        ),
        (
            "true for a number",
            "if isinstance(value, bool) or not isinstance(value, int | float):",
            "if not isinstance(value, int | float):",
        ),
        ("save times that do not increase", "return all(low < high for", "return all(low <= high for"),
    ),
    *mutations(
        "mfpde/configuration/toml.py",
        COMMANDS,
        (
            "numbers to six digits in the canonical text",
            'return "inf" if value == math.inf else repr(value)',
            'return "inf" if value == math.inf else f"{value:g}"',
        ),
    ),
    *mutations(
        "mfpde/tables/time.py",
        COMMANDS,
        (
            "a last save time by rounding",
            "(*(self.end * (index / last) for index in range(last)), self.end)",
            "tuple(self.end * (index / last) for index in range(last))",
        ),
    ),
    *mutations(
        "mfpde/tables/dynamics.py",
        COMMANDS,
        ("pure birth and death that moves", 'transport=self.flow != "fisher-rao"', "transport=True"),
    ),
    *mutations(
        "mfpde/commands/driver.py",
        "tests/mfpde/commands",
        ("a failed run with exit code 0", '"failed": EXIT_FAILED', '"failed": EXIT_DONE'),
        (
            "bad input with the exit code of a failed run",
            "complain(*error.messages)\n        return EXIT_BAD_INPUT",
            "complain(*error.messages)\n        return EXIT_FAILED",
        ),
    ),
    *mutations(
        "mfpde/shell/files.py",
        "tests/mfpde/commands/test_hostile_input.py tests/mfpde/studies/test_solve.py",
        ("a file that is replaced without asking", "if path.exists() and not force:", "if False:"),
        (
            "a file written in place",
            "write(temporary)\n",
            "write(place)\n            temporary.write_bytes(place.read_bytes())\n",
        ),
        ("two runs that write one file", "LOCK_NB)\n        except", "LOCK_NB) if False else None\n        except"),
    ),
    *mutations(
        "mfpde/shell/tasks.py",
        "tests/mfpde/shell tests/mfpde/studies/bounds",
        (
            "tasks of a lost worker forgotten",
            "self._fresh, self._waiting = deque(self._tasks), {}",
            "self._waiting = {}",
        ),
    ),
    *mutations(
        "mfpde/shell/compiled_cache.py",
        "tests/mfpde/shell/test_compiled_cache.py",
        (
            "kernels of another content from the cache",
            "sources = [_content(os.path.join(package, path)) for path in SHARED_KERNELS]",
            "sources: list[bytes] = []",
        ),
    ),
    *mutations(
        "mfpde/shell/user_files.py",
        "tests/mfpde/schemes/test_user_scheme.py tests/docs tests/mfpde/commands",
        ("a changed file of the user's that is not read again", 'module.__dict__.get("__digest__") == digest', "True"),
    ),
)
