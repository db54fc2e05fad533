"""Compiled sharing of blocks among threads: they claim blocks one by one, call the kernel, and count what is done.

One call of a kernel over a range is a *stage*. The thread that wants it leads, others help. Each has a share of the
blocks, the same in every stage so that what it wrote lies in its cache, and goes on with those of others when it is
done. All read one board of 64-bit words: whoever lowers a word of `LEFT` owns a block, and the words that say what a
block is stand until `DONE` has counted the last of them, so that no helper comes too late for the stage it found.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..arrays import INNER

Board = NDArray[Any]

DONE, FAILED = 0, 8
"""Words that all threads write: blocks done, and whether a kernel raised; a line of the cache each."""
NUMBER, CODE, DATA, BLOCKS, COUNT, SIZE, SHARES = range(16, 23)
"""The stage: its number, the code of a block and its arguments, blocks, range, size of a block, and shares."""
MOST = 128
"""Threads of a team."""
ASLEEP = 32
"""The first of the helpers' words: 1 once one has found nothing to do and left."""
LEFT = ASLEEP + MOST
"""The first of the shares' words, a line of the cache each: blocks left in it."""
LINE = 8
BOARD = LEFT + LINE * MOST
"""Words of a board."""
PATIENCE = 15000
"""Looks at an idle board before a helper sleeps, .1 to .2 ms: more than lies between two stages of a step. Threads that
wait do not offer their processor, for on a busy machine it would come back milliseconds later."""
PAUSES = dict.fromkeys(("x86_64", "AMD64"), ("llvm.x86.sse2.pause",)) | dict.fromkeys(
    ("arm64", "aarch64"), ("llvm.aarch64.hint", ir.Constant(ir.IntType(32), 1))
)
"""What lets the other thread of a core go first for a moment."""


def _word(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    board = context.make_array(signature.args[0])(context, builder, arguments[0])
    return cgutils.gep(builder, board.data, arguments[1])


@intrinsic
def _load(typing, board, word):  # type: ignore[no-untyped-def]
    """board[word], whoever writes it."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.load_atomic(_word(context, builder, signature, arguments), "seq_cst", 8)

    return types.intp(board, types.intp), code


@intrinsic
def _store(typing, board, word, value):  # type: ignore[no-untyped-def]
    """board[word] = value, after all that was written before it."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        builder.store_atomic(arguments[2], _word(context, builder, signature, arguments), "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(board, types.intp, types.intp), code


@intrinsic
def _add(typing, board, word, value):  # type: ignore[no-untyped-def]
    """board[word] += value, at once; what was there."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.atomic_rmw("add", _word(context, builder, signature, arguments), arguments[2], "seq_cst")

    return types.intp(board, types.intp, types.intp), code


@intrinsic
def _replace(typing, board, word, old, new):  # type: ignore[no-untyped-def]
    """board[word] = new if it is still `old`; whether it was."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        word = _word(context, builder, signature, arguments)
        return builder.extract_value(builder.cmpxchg(word, *arguments[2:], "seq_cst", "seq_cst"), 1)

    return types.boolean(board, types.intp, types.intp, types.intp), code


def _borrowed(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """An argument whose arrays nobody counts: threads that count the users of one array wait for one another."""
    if isinstance(kind, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value)
        return context.make_tuple(
            builder, kind, [_borrowed(context, builder, *pair) for pair in zip(kind.types, parts, strict=True)]
        )
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    return array._getvalue()


@intrinsic
def _stage(typing, kernel, arguments):  # type: ignore[no-untyped-def]
    """Addresses of code that calls the kernel at an address, (start, stop, data) -> whether it raised, and of its data.

    The data, the kernel and its arguments, lie in the frame of the caller, who must outlive the stage.
    """

    def code(context, builder, signature, values):  # type: ignore[no-untyped-def]
        word = context.get_value_type(types.intp)
        values = [values[0], _borrowed(context, builder, signature.args[1], values[1])]
        held = ir.LiteralStructType([word, values[1].type])
        data = cgutils.alloca_once(builder, held)
        for place, value in enumerate(values):
            builder.store(value, cgutils.gep_inbounds(builder, data, 0, place))
        block = ir.Function(builder.module, ir.FunctionType(word, [word] * 3), builder.module.get_unique_name("block"))
        block.linkage = "internal"
        inner = ir.IRBuilder(block.append_basic_block())
        start, stop, place = block.args
        found = inner.inttoptr(place, held.as_pointer())
        taken = (types.intp, types.intp, *signature.args[1].types)
        calling = context.call_conv.get_function_type(types.none, taken).as_pointer()
        called = inner.inttoptr(inner.load(cgutils.gep_inbounds(inner, found, 0, 0)), calling)
        parts = cgutils.unpack_tuple(inner, inner.load(cgutils.gep_inbounds(inner, found, 0, 1)))
        status, _ = context.call_conv.call_function(inner, called, types.none, taken, [start, stop, *parts])
        inner.ret(inner.zext(status.is_error, word))
        pair = [builder.ptrtoint(block, word), builder.ptrtoint(data, word)]
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(types.intp, 2)(types.intp, arguments), code


@intrinsic
def _block(typing, code, start, stop, data):  # type: ignore[no-untyped-def]
    """Call the code of a block."""

    def call(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        word = context.get_value_type(types.intp)
        kind = ir.FunctionType(word, [word] * 3).as_pointer()
        return builder.call(builder.inttoptr(arguments[0], kind), arguments[1:])

    return types.intp(types.intp, types.intp, types.intp, types.intp), call


@intrinsic
def _pause(typing):  # type: ignore[no-untyped-def]
    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        name, *hint = PAUSES.get(platform.machine(), ("",))
        if name:
            kind = ir.FunctionType(ir.VoidType(), [part.type for part in hint])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), hint)
        return context.get_dummy_value()

    return types.none(), code


@njit(**INNER)
def _work(board: Board, share: int) -> None:
    """Claim and do the blocks of a share that nobody has, the own one first, then what is left of others."""
    shares = _load(board, SHARES)
    for _ in range(shares if share < shares else 0):
        word = LEFT + LINE * share
        left = _load(board, word)
        while left > 0:
            if _replace(board, word, left, left - 1):
                start = (board[BLOCKS] * (share + 1) // board[SHARES] - left) * board[SIZE]
                stop = start + board[SIZE]
                if _block(board[CODE], start, stop if stop < board[COUNT] else board[COUNT], board[DATA]):
                    _store(board, FAILED, 1)
                _add(board, DONE, 1)
            left = _load(board, word)
        share = share + 1 if share + 1 < shares else 0


@njit(cache=True, nogil=True)
def help_out(board: Board, helper: int) -> None:
    """Take part in whatever stage is there, until there was none for a while."""
    seen, idle = np.int64(0), 0
    while idle < PATIENCE:
        number = _load(board, NUMBER)
        if number != seen:
            _work(board, helper + 1)
            seen, idle = number, 0
        else:
            idle += 1
            _pause()
    _store(board, ASLEEP + helper, 1)


@njit(**INNER)
def _led(board: Board, code: int, data: int, count: int, size: int, helpers: int) -> int:
    """The stage of this code and data; what `lead` returns. All kernels have it in common."""
    blocks, shares = -(-count // size), helpers + 1
    board[CODE], board[DATA] = code, data
    board[BLOCKS], board[COUNT], board[SIZE] = blocks, count, size
    _store(board, SHARES, shares)
    _store(board, DONE, 0)
    _store(board, FAILED, 0)
    for share in range(shares):
        _store(board, LEFT + LINE * share, blocks * (share + 1) // shares - blocks * share // shares)
    _add(board, NUMBER, 1)
    _work(board, np.int64(0))  # of the type of a helper's number: a literal would have `_work` compiled twice
    looks = 0
    while _load(board, DONE) < blocks:
        looks += 1
        _pause()
    return looks if _load(board, FAILED) == 0 else -1


@njit(cache=True, nogil=True)
def lead(board, kernel, count, size, helpers, arguments):  # type: ignore[no-untyped-def]
    """A whole stage: kernel(start, stop, *arguments) for the blocks of 0 ... count.

    Returns how often the leader, when it had nothing more to do, looked for the end; -1 where a kernel raised.
    """
    code, data = _stage(kernel, arguments)
    return _led(board, code, data, count, size, helpers)
