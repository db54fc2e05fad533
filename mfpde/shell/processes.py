"""Processes that compute tasks, of which any may be killed at any time.

Each has a pipe of its own. `concurrent.futures.ProcessPoolExecutor` shares one among all: a worker that is killed while
it writes an answer leaves half a message and a lock in it, and the parent waits for ever.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class ProcessExecutor(Executor):
    """Processes of this machine, each with one thread; one that dies breaks the executor.

    Args:
        count: how many, at least 1.
    """

    def __init__(self, count: int) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Call] | None] = SimpleQueue()
        self._lost = threading.Event()
        self._processes: list[BaseProcess] = []
        self._threads: list[threading.Thread] = []
        context = get_context("spawn")
        for _ in range(count):
            own, other = context.Pipe()
            process = context.Process(target=_serve, args=(other,), daemon=True)
            process.start()
            # with the last copy of the worker's end the worker's death ends the pipe
            other.close()
            thread = threading.Thread(target=self._attend, args=(own,), name="worker", daemon=True)
            thread.start()
            self._processes.append(process)
            self._threads.append(thread)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """The future of a call; raises BrokenExecutor once a process was lost."""
        if self._lost.is_set():
            raise BrokenExecutor("a process was lost")
        future: Future[Any] = Future()
        self._calls.put((future, (function, arguments, named)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, once all calls are answered or, unless that is to be waited for, at once."""
        if not wait:
            for process in self._processes:
                process.terminate()
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _attend(self, connection: Connection) -> None:
        """Pass calls to one process, and what it answers to their futures."""
        with connection:
            while (item := self._calls.get()) is not None:
                future, call = item
                if not future.set_running_or_notify_cancel():
                    continue
                if self._lost.is_set():
                    future.set_exception(BrokenExecutor("a process was lost"))
                else:
                    try:
                        connection.send(call)
                        done, value = connection.recv()
                    except (EOFError, OSError):
                        self._lost.set()
                        value, done = BrokenExecutor("a process was lost"), False
                    except Exception as error:  # what cannot be sent
                        value, done = error, False
                    future.set_result(value) if done else future.set_exception(value)


def _serve(connection: Connection) -> None:
    """Answer calls, on one thread, until the pipe ends; leave interruptions to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    import numba

    numba.set_num_threads(1)
    while True:
        try:
            function, arguments, named = connection.recv()
        except EOFError:
            return
        except Exception as error:  # what cannot be read here
            connection.send((False, error))
            continue
        try:
            answer = True, function(*arguments, **named)
        except Exception as error:
            answer = False, error
        _send(connection, answer)


def _send(connection: Connection, answer: tuple[bool, Any]) -> None:
    try:
        connection.send(answer)
    except OSError:
        # nobody is there to read it
        os._exit(1)
    except Exception as error:  # what cannot be sent
        connection.send((False, RuntimeError(f"{type(answer[1]).__name__}: {answer[1]} ({error})")))


def _end_with_parent() -> None:
    """Leave at once where the parent is gone, of which a killed one tells nobody."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
