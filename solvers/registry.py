"""Things found by name: what a folder of modules registers, and what a user adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pkgutil import iter_modules
from sys import modules
from types import ModuleType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Registry(Generic[Item]):
    """Classes by the name that configurations give them.

    The modules of `folder` are imported when a name is first asked for; each registers what it defines by the
    decorator that `register` makes. So adding one of a kind is adding one file.

    Attributes:
        noun: what is registered, in words: "data law".
        folder: the package whose modules register the built-in ones; empty where there are none.
        required: the methods that each class must have of its own.
    """

    def __init__(self, noun: str, folder: str, required: tuple[str, ...] = ()) -> None:
        self.noun = noun
        self.folder = folder
        self.required = required
        self._items: dict[str, type[Item]] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[type[Item]], type[Item]]:
        """A decorator that makes a class known by `name`, which also becomes its attribute `name`.

        Raises:
            ValueError: another class has this name.
            TypeError: the class lacks a required method.
        """

        def keep(item: type[Item]) -> type[Item]:
            missing = [f"{method}()" for method in self.required if _lacks(item, method)]
            if missing:
                raise TypeError(f"the {self.noun} {name!r} lacks {', '.join(missing)}")
            known = self._items.get(name)
            # a class whose module is no longer loaded gives way
            holder = None if known is None else modules.get(known.__module__)
            if holder and (known.__module__, known.__qualname__) != (item.__module__, item.__qualname__):  # type: ignore[union-attr]
                by = getattr(holder, "__file__", None) or holder.__name__
                raise ValueError(f"the {self.noun} {name!r} is registered already, by {by}")
            item.name, item.registry = name, self  # type: ignore[attr-defined]
            self._items[name] = item
            return item

        return keep

    @staticmethod
    def register_again(module: ModuleType) -> None:
        """Make the classes of a module known that were registered when it was imported, whatever was lent since."""
        for item in list(vars(module).values()):
            if isinstance(item, type) and item.__module__ == module.__name__ and "registry" in vars(item):
                item.registry.register(item.name)(item)  # type: ignore[attr-defined]

    @contextmanager
    def lending(self, items: Mapping[str, type[Item]] | None = None) -> Iterator[None]:
        """While the context lasts these names mean these classes; afterwards every name means what it did before."""
        self._load()
        before = dict(self._items)
        for name, item in (items or {}).items():
            item.name = name  # type: ignore[attr-defined]
            self._items[name] = item
        try:
            yield
        finally:
            self._items = before

    def names(self) -> tuple[str, ...]:
        """Every name, the built-in ones first, in the order of their files."""
        self._load()
        return tuple(self._items)

    def __getitem__(self, name: str) -> type[Item]:
        self._load()
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._items

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        if not self.folder:
            return
        own, self._items = self._items, {}
        package = import_module(self.folder)
        for module in sorted(iter_modules(package.__path__), key=lambda module: module.name):
            import_module(f"{self.folder}.{module.name}")
        found, place = self._items | own, f"{self.folder}."

        def home(name: str) -> tuple[bool, str]:
            module = found[name].__module__
            return (False, module) if module.startswith(place) else (True, "")

        # files that were imported before have their place all the same
        self._items = {name: found[name] for name in sorted(found, key=home)}


def _lacks(item: type[object], method: str) -> bool:
    """Whether a class has no such method, or only the abstract one of its base."""
    found = getattr(item, method, None)
    return found is None or bool(getattr(found, "__isabstractmethod__", False))
