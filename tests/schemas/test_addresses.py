"""Addresses: what has one meaning is taken, what has none is refused with its cure, and a password
is in nothing that anybody sees.
"""

import string
import traceback
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import pytest
import rich.console
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas import addresses, settings
from fenghuo.schemas.addresses import AddressError
from fenghuo.schemas.settings import Settings, SettingsError

TAKEN = [
    ("a:1", "a:1"),
    ("a:1,", "a:1"),
    (",a:1,,b:2,", "a:1,b:2"),
    (" a:1 , b:2\n", "a:1,b:2"),
    ("a:1;b:2", "a:1,b:2"),
    ("a:1 b:2", "a:1,b:2"),
    ("a:1,b:2,a:1", "a:1,b:2"),
    ("PLAINTEXT://a:1,plaintext://b:2", "a:1,b:2"),
    ("kafka://a:1/", "a:1"),
    ("tcp://a:1", "a:1"),
    ("a", "a:9092"),
    ("a:", "a:9092"),
    ("a,b:2", "a:9092,b:2"),
    ("[::1]:9093", "[::1]:9093"),
    ("PLAINTEXT://[2001:db8::7]", "[2001:db8::7]:9092"),
    ("kafka-0.kafka.svc.cluster.local:9092", "kafka-0.kafka.svc.cluster.local:9092"),
    ("my_broker:9092", "my_broker:9092"),
]
REFUSED = [
    ("", "got none"),
    (" , ;", "got none"),
    ("SASL_SSL://a:1", "SASL_SSL:// is not supported yet: name a PLAINTEXT listener"),
    ("ssl://a:1,b:2", "SSL:// is not supported yet"),
    ("http://a:1", "got an address of http://"),
    ("a:1,kafka+ssl://b:2", r"got an address of kafka\+ssl://"),
    ("::1", r"brackets, as \[::1\]:9092, got '::1'"),
    ("a:b", "expected host:port, got 'a:b'"),
    ("a:0", "expected a port of 1 to 65535, got 'a:0'"),
    ("a:65536", "expected a port of 1 to 65535"),
    ("a:-1", "expected host:port"),
    ("a:\u0661", "expected host:port"),
    ("'a:1'", "expected host:port"),
    ("a:1/topic", "expected host:port"),
    (":9092", "expected host:port"),
    ("[::1:9092", "expected host:port"),
]


@pytest.mark.parametrize(("text", "expected"), TAKEN)
def test_a_list_of_brokers_with_one_meaning_is_taken(text: str, expected: str) -> None:
    assert settings.read({"FENGHUO_KAFKA": text}).kafka == expected
    assert ",".join(addresses.brokers(expected)) == expected


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_a_list_of_brokers_without_a_meaning_is_one_line_with_its_cure(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"^FENGHUO_KAFKA: .*{why}") as caught:
        settings.read({"FENGHUO_KAFKA": text})
    assert "\n" not in str(caught.value)


def test_a_login_in_the_brokers_is_refused_and_not_shown() -> None:
    for text in ("me:s3cret@a:1", "PLAINTEXT://me:s3cret@a:1", "a:1,me:s3c ret@b"):
        with pytest.raises(SettingsError, match="without user and password") as caught:
            settings.read({"FENGHUO_KAFKA": text})
        assert "s3c" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("clickhouse://h", "clickhouse://default@h:9000/default"),
        ("clickhouse://h/", "clickhouse://default@h:9000/default"),
        ("ClickHouse://u@h:1/d", "clickhouse://u@h:1/d"),
        ("clickhouse://u:p@[::1]/d", "clickhouse://u@[::1]:9000/d"),
        ("clickhouse://a%40b:p@h", "clickhouse://a%40b@h:9000/default"),
        (" clickhouse://h:1/d\n", "clickhouse://default@h:1/d"),
        ("chdb:data/store", "chdb:data/store"),
        ("chdb:./data/", "chdb:data"),
        ("chdb:///data", "chdb:/data"),
        ("chdb:a:b@c?d#e", "chdb:a:b@c?d#e"),
    ],
)
def test_an_address_of_the_store_is_taken(text: str, plain: str) -> None:
    found = settings.read({"FENGHUO_STORE": text})

    assert found.store == plain
    assert addresses.store(plain).plain == plain


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "got nothing"),
        ("chdb:", "got no folder"),
        ("chdb://host/dir", "without a host"),
        ("s3cret@h", "not shown"),
        ("postgres://u:s3cret@h/d", "expected chdb:DIR or clickhouse://"),
        ("http://u:s3cret@h:8123", "native protocol"),
        ("clickhouse://u:s3cret", "expected host:port"),
        ("clickhouse://u:s3cret@", "expected host:port"),
        ("clickhouse://u:s3cret@h:x", "expected host:port"),
        ("clickhouse://u:s3cret@h:99999", "expected a port of 1 to 65535"),
        ("clickhouse://u:s3cret@::1/d", "in brackets"),
        ("clickhouse://u:s3cret@a,b/d", "expected host:port"),
        ("clickhouse://u:s3cret@h/d?secure=1", "no option is supported yet"),
        ("clickhouse://h/d?s3cret", "no option is supported yet"),
    ],
)
def test_an_address_of_the_store_that_is_none_is_refused_and_nothing_of_it_shown(
    text: str, why: str
) -> None:
    with pytest.raises(SettingsError, match=f"^FENGHUO_STORE: .*{why}") as caught:
        settings.read({"FENGHUO_STORE": text})
    told = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in told
    assert "\n" not in str(caught.value)


HEAD, TAIL = "Zq7", "7qZ"
"""Around every password, so that no piece of it is found by chance."""
PASSWORDS = st.text(
    st.sampled_from(string.printable.strip() + " ") | st.characters(codec="utf-8"), max_size=12
).map(lambda text: HEAD + text.replace("\0", "").replace("\n", "") + TAIL)


def told_by(found: Settings) -> str:
    """All ways in which settings and addresses are shown."""
    out = StringIO()
    rich.console.Console(file=out, width=500).print(found, addresses.store(found.store_login))
    place = addresses.store(found.store_login)
    return f"{found} {found!r} {place} {place.public} {place.plain} {found.store}{out.getvalue()}"


@given(password=PASSWORDS)
def test_a_password_of_any_letters_reaches_the_store_and_nobody_else(
    password: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "password"
    file.write_text(password + "\n", "utf-8", newline="")
    at = "@127.0.0.1:9000/fenghuo"
    apart = {"FENGHUO_STORE": f"clickhouse://me{at}"}
    ways = [
        {"FENGHUO_STORE": f"clickhouse://me:{quote(password, safe='')}{at}"},
        apart | {"FENGHUO_STORE_PASSWORD": password},
    ]
    if not password.endswith("\r"):
        ways.append(apart | {"FENGHUO_STORE_PASSWORD_FILE": str(file)})
    if "%" not in password and password.isprintable():  # else it reads as an encoded one
        ways.append({"FENGHUO_STORE": f"clickhouse://me:{password}{at}"})
    for way in ways:
        found = settings.read(way)
        place = addresses.store(found.store_login)
        assert (place.user, place.password, place.database) == ("me", password, "fenghuo")
        assert settings.read(settings.environment(found)) == found
        told = told_by(found)
        assert HEAD not in told
        assert TAIL not in told


@given(password=PASSWORDS, before=st.sampled_from(["clickhouse://", "clickhouse:", "tcp://", ""]))
def test_an_address_that_is_broken_shows_no_piece_of_its_password(
    password: str, before: str
) -> None:
    for after in ("@h:x/d", "@a b/d", "@h/d?secure=1", "@::1", "", "@"):
        text = f"{before}me:{password}{after}"
        try:
            addresses.store(text)
        except AddressError as error:
            told = "".join(traceback.format_exception(error))
            assert HEAD not in told
            assert TAIL not in told
        else:
            assert before == "clickhouse://", "read as something else than was meant"


def test_two_passwords_are_refused_and_a_missing_file_is_named_by_its_variable(
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingsError, match="2 that differ") as caught:
        settings.read(
            {"FENGHUO_STORE": "clickhouse://u:s3cret@h", "FENGHUO_STORE_PASSWORD": "s3cret2"}
        )
    assert "s3cret" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"^FENGHUO_STORE_PASSWORD_FILE: .*No such file"):
        settings.read({"FENGHUO_STORE_PASSWORD_FILE": str(tmp_path / "none")})
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SettingsError, match="got none"):
        settings.read({"FENGHUO_STORE_PASSWORD_FILE": str(tmp_path / "empty")})
