"""Settings: every variable is read once, wrong ones are named, and what is handed to a child reads
the same.
"""

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from fenghuo.schemas import settings
from fenghuo.schemas.settings import FOREIGN, PREFIX, Settings, SettingsError

FIELDS = msgspec.structs.fields(Settings)


def test_nothing_set_gives_the_defaults() -> None:
    assert settings.read({}) == Settings()
    assert settings.read({"HOME": "/", "FENGHUO": "x"}) == Settings()


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_field_is_read_from_its_variable(
    field: msgspec.structs.FieldInfo, tmp_path: Path
) -> None:
    value = 77 if field.type is int else next(reversed(get_args(field.type)), "there")
    value = {"kafka": "there:9092", "store": "chdb:there"}.get(field.name, value)
    if field.name == "store_password_file":
        value = ""
        (tmp_path / "secret").write_text("s3cret\n")
        found = settings.read({PREFIX + "STORE_PASSWORD_FILE": str(tmp_path / "secret")})
    else:
        found = settings.read({PREFIX + field.name.upper(): str(value)})

    assert getattr(found, field.name) == value
    assert found != Settings()


@pytest.mark.parametrize("text", ["", "-1", "1.5", "ten", "0x1", " 5", "1e3", "²"])
def test_a_number_that_is_none_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="FENGHUO_TICK_MS: expected a whole number"):
        settings.read({"FENGHUO_TICK_MS": text})


@pytest.mark.parametrize("text", ["", "Shadow", "real ", "both"])
def test_a_lane_that_is_none_is_named_with_those_that_are(text: str) -> None:
    with pytest.raises(SettingsError, match="FENGHUO_LANE: expected real or shadow, got"):
        settings.read({"FENGHUO_LANE": text})


def test_a_variable_nobody_knows_is_named_with_those_that_are() -> None:
    with pytest.raises(
        SettingsError, match=r"FENGHUO_KAFFKA: no such setting; known are FENGHUO_KAFKA"
    ):
        settings.read({"FENGHUO_KAFFKA": "x"})


def test_variables_of_the_tests_are_let_through() -> None:
    assert settings.read(dict.fromkeys(FOREIGN, "1")) == Settings()


def test_what_a_parent_hands_on_reads_the_same() -> None:
    given = Settings(
        kafka="a:1,b:2",
        store="clickhouse://u@h:1/d",
        store_password="#%41 @",
        partitions=7,
        campaign="/x/y z.toml",
        http_port=0,
    )

    assert settings.read(settings.environment(given)) == given


def test_no_event_of_the_future_can_close_the_second_of_now() -> None:
    """What tests/laws proves holds only for future_ms <= lateness_ms: the defaults keep to it."""
    assert Settings().future_ms <= Settings().lateness_ms
