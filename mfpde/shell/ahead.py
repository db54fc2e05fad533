"""The first run after an installation: a second process compiles part of what the first one will need.

numba compiles under one lock in a process, and most of its time is that of the interpreter, so that threads gain
nothing. Both processes ask the cache on disk for every kernel; one that misses there is compiled under a lock of its
file, and whoever waited for the lock reads what the other has written: nothing is compiled twice, whatever their order
is. Callees are locked inside their callers alone, so that no two processes wait for each other.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import IO, Any

from mfpde.shell.compiled_cache import VARIABLE
from mfpde.solvers.threads.processors import processors

Rehearsal = Callable[[], object]
"""Calls kernels on toys, by which numba compiles them."""


_HELD: set[str] = set()
"""The files that this process has locked: it must not wait for itself where the cache of a kernel is shared twice."""


class SharedCache:
    """numba's cache of one kernel, of which processes that miss the same signature compile it one after the other."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        self._lock: IO[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The kernel compiled; None where it is to be compiled here, now that nobody else does."""
        found = self._cache.load_overload(signature, context)
        if found is not None:
            return found
        if self._lock is None:
            with suppress(OSError):
                self._lock = _locked(self._cache)
        found = self._cache.load_overload(signature, context)
        if found is not None:
            self._release()
        return found

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Let others read it."""
        try:
            self._cache.save_overload(signature, compiled)
        finally:
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            _HELD.discard(str(self._lock.name))
            self._lock.close()
            self._lock = None


def compile_ahead(name: str, *rehearsals: Rehearsal) -> None:
    """Carry rehearsals out in a forked process, once for each folder of the cache, where a processor is free for it.

    The process ends with this one at the latest; there is none where this one has threads: they do not survive a fork.
    """
    mark = os.path.join(os.environ.get(VARIABLE, os.curdir), f"{name}.compiled")
    if os.path.exists(mark) or not may_fork():
        return
    _share()
    atexit.register(end, forked(lambda: _rehearse(rehearsals, mark)))


def may_fork() -> bool:
    """Whether a processor is free for another process, and this one has no threads, which do not survive a fork."""
    return sys.platform == "linux" and processors() > 1 and len(os.listdir("/proc/self/task")) == 1


def forked(life: Callable[[], object]) -> int:
    """Begin a process that lives this life and leaves, with 1 where that raises; its number.

    Interruptions are left to this process.
    """
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        life()
        code = 0
    finally:
        os._exit(code)


def _share() -> None:
    """Share the caches of all kernels, those that are yet to be imported among them."""
    dispatcher: Any = import_module("numba.core.dispatcher")
    for kernel in _kernels():
        kernel._cache = SharedCache(kernel._cache)
    made = dispatcher.FunctionCache
    dispatcher.FunctionCache = lambda function: SharedCache(made(function))


def _kernels() -> Iterator[Any]:
    """The compiled functions of this package's modules, each once."""
    from numba.core.dispatcher import Dispatcher

    kinds: Any = Dispatcher
    for name, module in list(sys.modules.items()):
        for value in vars(module).values() if name.startswith("mfpde.") else ():
            if isinstance(value, kinds) and value.__module__ == name and value._cache.cache_path is not None:
                yield value


def _locked(cache: Any) -> IO[bytes] | None:
    """A file locked as long as it is open, at most until this process dies; None where this process has it locked."""
    import fcntl

    cache._impl.locator.ensure_cache_path()
    path = os.path.join(cache.cache_path, cache._cache_file._index_name + ".lock")
    if path in _HELD:
        return None
    file = open(path, "wb")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX)
    _HELD.add(path)
    return file


def _rehearse(rehearsals: tuple[Rehearsal, ...], mark: str) -> None:
    """The life of the second process, which says nothing and leaves nothing but kernels."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.disable()
    for rehearsal in rehearsals:
        rehearsal()
    with open(mark, "wb"):
        pass


def end(child: int) -> None:
    """End a forked process, and wait until it has."""
    with suppress(OSError):
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
