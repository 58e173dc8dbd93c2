"""Any run at all: every field of the contract filled by its type, names and reasons hostile."""

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from fenghuo.loadtest.verdict.result import Produced, Proof, Run, Verdict, Watched
from tests.loadtest.runs import histogram

HOSTILE = "<script src=x>\"'&</section>"
TEXTS = st.sampled_from(("", "order", HOSTILE, "节日 & <b>", "x" * 300)) | st.text(max_size=8)
COUNTS = st.integers(0, 9) | st.integers(0, 10**15)
HISTOGRAMS = st.sampled_from(
    ("", histogram(), histogram(5.0), histogram(*[0.2] * 99), histogram(*[80.0, 9_000.0] * 5_000))
)
FLOATS = st.floats(0, 1e12) | st.just(0.0)
ENCODED = {"handed", "acked", "fresh"}


def filled(of: Any) -> st.SearchStrategy[Any]:
    """A strategy for a type of the contract."""
    origin, args = get_origin(of), get_args(of)
    if of in SIMPLE:
        return SIMPLE[of]
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([st.none() if one is type(None) else filled(one) for one in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(filled(args[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*(filled(one) for one in args))
    if origin is dict:
        return st.dictionaries(filled(args[0]), filled(args[1]), max_size=3)
    assert issubclass(of, msgspec.Struct), of
    hints = get_type_hints(of)
    fields = {
        name: HISTOGRAMS if name in ENCODED else filled(hints[name])
        for name in of.__struct_fields__
    }
    fields |= {"clock_step_ms": st.integers(-99, 99)} if "clock_step_ms" in fields else {}
    return st.builds(of, **fields)


SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    int: COUNTS,
    float: FLOATS,
    str: TEXTS,
    bool: st.booleans(),
}
PRODUCED: st.SearchStrategy[Produced] = filled(Produced)
PROOFS: st.SearchStrategy[Proof] = filled(Proof)
WATCHED: st.SearchStrategy[Watched] = filled(Watched)
VERDICTS: st.SearchStrategy[Verdict] = filled(Verdict)
RUNS: st.SearchStrategy[Run] = filled(Run)
