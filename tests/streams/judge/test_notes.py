"""What a board says about late sources and wrong clocks, in words."""

from msgspec.structs import replace

from fenghuo.schemas.wire.gaps import NO_GAPS
from fenghuo.schemas.wire.status import Behind, Board
from fenghuo.streams.judge import notes
from tests.streams.judge.test_judge import scene_board


def board(*behind: Behind, skews_ms: dict[str, tuple[int, ...]] | None = None) -> Board:
    made = scene_board()
    kinds = (replace(made.kinds[0], behind=behind), *made.kinds[1:])
    return replace(made, kinds=kinds, skews_ms=skews_ms or {})


def test_a_healthy_board_has_nothing_to_note() -> None:
    assert notes.of(board()) == ()


def test_a_late_source_is_named_with_how_late_it_is() -> None:
    (note,) = notes.of(board(Behind("orders/1", 181_400)))

    assert (note.code, note.where) == ("source_behind", "orders/1")
    assert "orders/1 is 181 s behind" in note.en
    assert "orders/1 落后 181 秒" in note.zh
    assert note.cure


def test_a_wrong_clock_is_named_with_its_direction() -> None:
    skews = {"orders/0": (5_200, 5_000), "traffic/0": (-3_000,), "traffic/1": (0, 9_000)}
    found = notes.of(board(skews_ms=skews))

    assert [note.where for note in found] == ["gather orders/0", "gather traffic/0"]
    assert "5.0 s behind" in found[0].en
    assert "3.0 s ahead" in found[1].en


def test_a_host_whose_clock_differs_from_the_brokers_is_named_with_its_part() -> None:
    made = board()
    heads = tuple(replace(head, skew_ms=3_600_000) for head in made.heads[:1])
    found = notes.of(replace(made, heads=heads), judge_skew_ms=-5_000)

    assert [note.where for note in found] == ["judge", f"gather {heads[0].source}"]
    assert "5.0 s behind" in found[0].en
    assert "3600.0 s ahead" in found[1].en


def test_notes_are_few_however_many_sources_are_late() -> None:
    many = [Behind(f"orders/{n}", 60_000) for n in range(1_000)]

    assert len(notes.of(board(*many))) == notes.NOTES_MAX


def test_a_stopped_partition_is_named_first_with_its_offset_and_how_to_pass_over_it() -> None:
    made = board(Behind("orders/1", 60_000))
    head = replace(made.heads[0], next_offset=17, stopped="IndexError('x')")
    note = notes.of(replace(made, heads=(head, *made.heads[1:])))[0]

    assert note.code == "partition_stopped"
    assert f"partition {head.source} is stopped at offset 17" in note.en
    assert f"分区 {head.source} 停在 offset 17" in note.zh
    assert "fenghuo dlq skip" in note.cure


def test_deleted_records_are_named_with_their_offsets() -> None:
    made = board()
    head = replace(made.heads[0], gaps=NO_GAPS.plus(40, 50).plus(90, 93))
    (note,) = notes.of(replace(made, heads=(head, *made.heads[1:])))

    assert (note.code, note.where) == ("records_gone", str(head.source))
    assert "13 offsets" in note.en
    assert "90 to 92" in note.en
    assert "13 个 offset" in note.zh
