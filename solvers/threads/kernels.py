"""Compiled sharing of blocks among threads: they claim blocks one by one, call the kernel, and count what is done.

One call of a kernel over a range is a *stage*. The thread that wants it leads, others help. All read one board of
64-bit words (`LEFT` to `ASLEEP`): whoever lowers `LEFT` owns a block, and the words that say what a block is stand
until `DONE` has counted the last of them, so that no helper comes too late for the stage it found.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Board = NDArray[Any]

LEFT, DONE, FAILED = 0, 8, 16
"""Words that all threads write: blocks left, done, and whether a kernel raised; a line of the cache each."""
CODE, DATA, BLOCKS, COUNT, SIZE, HELPERS = 24, 25, 26, 27, 28, 29
"""The stage: the code of a block, its arguments, blocks, range, size of a block, and how many may help."""
ASLEEP = 32
"""The first of the helpers' words: 1 once it has found nothing to do and left."""
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


@intrinsic
def _stage(typing, kernel, arguments):  # type: ignore[no-untyped-def]
    """Addresses of code that calls the kernel at an address, (start, stop, data) -> whether it raised, and of its data.

    The data, the kernel and its arguments, lie in the frame of the caller, who must outlive the stage.
    """

    def code(context, builder, signature, values):  # type: ignore[no-untyped-def]
        word = context.get_value_type(types.intp)
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


@njit(cache=True, nogil=True)
def _work(board):  # type: ignore[no-untyped-def]
    """Claim a block and do it; whether there may be more."""
    left = _load(board, LEFT)
    if left <= 0:
        return False
    if _replace(board, LEFT, left, left - 1):
        start = (board[BLOCKS] - left) * board[SIZE]
        if _block(board[CODE], start, min(start + board[SIZE], board[COUNT]), board[DATA]):
            _store(board, FAILED, 1)
        _add(board, DONE, 1)
    return True


@njit(cache=True, nogil=True)
def help_out(board: Board, helper: int) -> None:
    """Do blocks of whatever stage is there, until there was none for a while."""
    idle = 0
    while idle < PATIENCE:
        if helper < _load(board, HELPERS) and _work(board):
            idle = 0
        else:
            idle += 1
            _pause()
    _store(board, ASLEEP + helper, 1)


@njit(cache=True, nogil=True)
def lead(board, kernel, count, size, helpers, arguments):  # type: ignore[no-untyped-def]
    """A whole stage: kernel(start, stop, *arguments) for the blocks of 0 ... count; whether none raised."""
    code, data = _stage(kernel, arguments)
    blocks = -(-count // size)
    board[CODE], board[DATA] = code, data
    board[BLOCKS], board[COUNT], board[SIZE] = blocks, count, size
    _store(board, HELPERS, helpers)
    _store(board, DONE, 0)
    _store(board, FAILED, 0)
    _store(board, LEFT, blocks)
    while _work(board):
        pass
    while _load(board, DONE) < blocks:
        _pause()
    return _load(board, FAILED) == 0
