"""The load tester's own picture of the wire agrees with the wire's types, field by field."""

import msgspec
import pytest

from fenghuo.loadtest.wire import FIELDS, Slot, misfit
from fenghuo.schemas.kinds import events

ORDER = '{"order_id":"o","user_id":"u","category":"c","amount_fen":1,"status":"paid","payment":"p"'
TRAFFIC = '{"system":"s","action":"a","status":200,"latency_ms":1,"user_id":"u"'
COMPLAINT = '{"category":"c","type":"t","severity":1,"text":"x"'
COMMON = ',"kind":"%s","event_id":"e","ts":1000000000000,"region":"r","channel":"w"}'
SAMPLE: dict[str, dict[str, object]] = {
    "order": msgspec.json.decode(ORDER + COMMON % "order"),
    "traffic": msgspec.json.decode(TRAFFIC + COMMON % "traffic"),
    "complaint": msgspec.json.decode(COMPLAINT + COMMON % "complaint"),
}


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_names_and_duties_are_the_same(kind: str) -> None:
    theirs = {field.name: field for field in msgspec.structs.fields(events.EVENT_OF[kind])}

    assert set(FIELDS[kind]) == set(theirs) - {"kind"}
    for name, slot in FIELDS[kind].items():
        assert slot.required == theirs[name].required, name


def probes(slot: Slot) -> list[object]:
    if slot.type == "flag":
        return [True, False]
    if slot.words:
        return [*slot.words]
    if slot.type == "text":
        return ["x" * slot.low, "x" * min(slot.high, 300)]
    return [slot.low, slot.high]


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_whatever_fits_here_fits_the_wire(kind: str) -> None:
    for name, slot in FIELDS[kind].items():
        for value in probes(slot):
            assert misfit(slot, value) is None
            msgspec.convert({**SAMPLE[kind], name: value}, events.EVENT_OF[kind])


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_what_does_not_fit_the_wire_does_not_fit_here(kind: str) -> None:
    for name, slot in FIELDS[kind].items():
        wild: list[object] = [-1, 2**63, "", "x" * 257, True, 1.5, [], 99, 600, 0]
        for value in wild:
            try:
                msgspec.convert({**SAMPLE[kind], name: value}, events.EVENT_OF[kind])
            except msgspec.ValidationError:
                assert misfit(slot, value) is not None, (name, value)
