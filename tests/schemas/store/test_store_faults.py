"""What ails the store is told from its error: what time cures, what a person cures, what nothing
does.
"""

import pytest

from fenghuo.schemas.store.faults import Fault, fault
from fenghuo.schemas.store.port import StoreError, failed

FULL = "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)"
OLD_FULL = (
    "Code: 75, e.displayText() = DB::Exception: Cannot write to file 7, errno: 28, strerror: "
    "No space left on device"
)
ERRORS = [
    (FULL, "away", "disk is full"),
    (OLD_FULL, "away", "disk is full"),
    ("Code: 1001. DB::Exception: std::exception: No space left on device", "away", "disk is full"),
    ("[Errno 28] No space left on device", "away", "disk is full"),
    ("[Errno 122] Disk quota exceeded", "away", "disk is full"),
    ("[Errno 5] Input/output error", "away", ""),
    ("Code: 241. DB::Exception: Memory limit (total) exceeded", "away", "memory"),
    ("Code: 252. DB::Exception: Too many parts (300). Merges are slower", "away", ""),
    ("Code: 242. DB::Exception: Table is in readonly mode", "away", ""),
    ("Code: 159. DB::Exception: Timeout exceeded", "away", ""),
    ("Code: 201. DB::Exception: Quota for user `u` has been exceeded", "away", "quota"),
    ("Code: 202. DB::Exception: Too many simultaneous queries", "away", ""),
    ("Code: 999. Coordination::Exception: Session expired", "away", ""),
    ("Code: 516. DB::Exception: u: Authentication failed", "person", "FENGHUO_STORE_PASSWORD"),
    ("Code: 193. DB::Exception: Wrong password for user u", "person", "FENGHUO_STORE_PASSWORD"),
    ("Code: 497. DB::Exception: u: Not enough privileges", "person", "GRANT"),
    ("Code: 164. DB::Exception: Cannot insert into table in readonly mode", "person", "GRANT"),
    ("Code: 392. DB::Exception: DDL queries are prohibited for the user", "person", "GRANT"),
    ("Code: 81. DB::Exception: Database x doesn't exist", "person", "CREATE DATABASE"),
    ("Code: 60. DB::Exception: Table default.t doesn't exist", "person", "table is missing"),
    ("Code: 16. DB::Exception: No such column x in table t", "person", "column is missing"),
    ("Code: 27. DB::Exception: Cannot parse input", "data", ""),
    ("Code: 62. DB::Exception: Syntax error", "statement", ""),
    ("Code: 4711. DB::Exception: what nobody knows", "statement", ""),
]


@pytest.mark.parametrize(("text", "kind", "cure"), ERRORS, ids=[text[:24] for text, *_ in ERRORS])
def test_an_error_is_what_cures_it(text: str, kind: str, cure: str) -> None:
    error = failed("clickhouse://h:9000/d", text)

    assert error.fault.kind == kind
    assert error.retry == (kind == "away")
    assert cure in error.fault.cure
    assert str(error).startswith("clickhouse://h:9000/d: ")


def test_an_error_is_one_line_without_the_stack_of_the_server() -> None:
    text = "Code: 60.\nDB::Exception: Table d.t doesn't exist.. Stack trace:\n\n0. /usr/lib/x\n1. y"

    told = str(failed("a", text))
    assert told.startswith(
        "a: Code: 60. DB::Exception: Table d.t doesn't exist: a table is missing"
    )
    assert "\n" not in told
    assert "/usr/lib" not in told


def test_the_number_of_the_driver_stands_above_the_text() -> None:
    assert fault(243, "said in other words").kind == "away"
    assert StoreError("x", Fault("data")).code is None
