"""Compiled functions: the few loops that see every event, in Python that numba turns into machine
code.

Compiled when their module is imported, for the types given, and remembered on disk: in
`__pycache__` or, where that cannot be written, in the user's cache folder; NUMBA_CACHE_DIR stands
above both. The first import on a machine takes seconds, each later one milliseconds.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import boolean, config, int64, njit, types, uint8, uint64
from numba.extending import intrinsic

LETTERS = types.Array(uint8, 1, "C", readonly=True)
"""Bytes that are only read: what a compiled function takes for a buffer of messages."""
INT, INTS, TABLE = int64, int64[::1], int64[:, ::1]
FLAGS, FLAG_TABLE = boolean[::1], boolean[:, ::1]
BYTES, NOTHING = uint8[::1], types.void


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile for this signature; other threads run meanwhile, arithmetic wraps at 64 bits.

    _nrt=False leaves out the counting of references to arrays (the caller holds them): it took two
    thirds of the time. So a compiled function makes no arrays; it is given those it fills.
    """

    def compile_(function: Callable[..., Any]) -> Callable[..., Any]:
        given = config.CACHE_DIR
        config.CACHE_DIR = given or _folder(Path(function.__code__.co_filename).parent)
        try:
            return njit(signature, cache=True, nogil=True, _nrt=False)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return njit(signature, nogil=True, _nrt=False)(function)
        finally:
            config.CACHE_DIR = given

    return compile_


@cache
def _folder(sources: Path) -> str:
    """Where what is compiled from these sources is kept. Its name tells the contents of their layer
    and of this one: numba looks at the file of a function alone, not at the constants and helpers
    that come from others.
    """
    mark, here = hashlib.sha256(), Path(__file__).parent
    house = here.parent
    layer = (
        house / sources.relative_to(house).parts[0] if sources.is_relative_to(house) else sources
    )
    for folder in sorted({layer, here}):
        for path in sorted(folder.rglob("*.py")):
            mark.update(path.read_bytes())
    kept = sources / "__pycache__" / f"compiled-{mark.hexdigest()[:16]}"
    try:
        kept.mkdir(parents=True, exist_ok=True)
        return str(kept) if os.access(kept, os.W_OK) else ""
    except OSError:
        return ""


inlined = njit(inline="always", _nrt=False)
"""For helpers of compiled functions that run for every event."""
apart = njit(_nrt=False)
"""For those that seldom do."""


@intrinsic
def eight(_context, buffer, at):
    """Eight bytes of a buffer from `at` as one little-endian integer; nobody checks that they are
    there.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.gep(array.data, [args[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return uint64(buffer, at), emit


@intrinsic
def trailing_zeros(_context, number):
    """How many zero bits a uint64 that is not 0 ends with."""

    def emit(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return int64(uint64), emit
