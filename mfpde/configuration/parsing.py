"""From the tables of a TOML file to a configuration."""

from __future__ import annotations

from collections.abc import Mapping

from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment


def parse(tables: Mapping[str, object]) -> Experiment:
    """The configuration that TOML tables describe; raises ConfigurationError with every mistake."""
    from mfpde.configuration.readers import read_tables

    errors: list[str] = []
    configuration = read_tables(tables, errors)
    if errors:
        raise ConfigurationError(errors, configuration)
    return configuration
