"""Under which names a server may be asked for."""

import pytest

from fenghuo.schemas import hosts, settings
from fenghuo.schemas.hosts import Hosts
from fenghuo.schemas.settings import Settings, SettingsError

NONE, ONE = Hosts(), Hosts(("wall.example.com", "*.shop.cn"))


@pytest.mark.parametrize(
    "header",
    [
        *("localhost", "LOCALHOST:8600", "app.localhost:1", "127.0.0.1", "10.1.2.3:8600"),
        *("[::1]:8600", "[2001:db8::1]", "[::ffff:10.0.0.1]:80"),
        *("wallbox", "api:8600", "wallbox."),
    ],
)
def test_addresses_and_names_that_nobody_can_register_are_ours(header: str) -> None:
    assert NONE.allow(header)


@pytest.mark.parametrize(
    "header",
    [
        *("evil.example", "evil.example:8600", "127.0.0.1.evil.example", "10.0.0.1.nip.io"),
        *("localhost.evil.example", "evil.localhost.example", "[::1].evil.example", "1.2.3.4.5"),
        *("wall.example.com", "wall.example.com:80", "evil.example@127.0.0.1", "xn--fiq.cn"),
    ],
)
def test_names_of_others_are_not(header: str) -> None:
    assert not NONE.allow(header)


@pytest.mark.parametrize("header", ["wall.example.com", "WALL.Example.com.:443", "a.b.shop.cn"])
def test_a_name_that_is_told_is_ours(header: str) -> None:
    assert ONE.allow(header)


@pytest.mark.parametrize("header", ["example.com", "awall.example.com", "shop.cn", "evilshop.cn"])
def test_a_name_like_one_that_is_told_is_not(header: str) -> None:
    assert not ONE.allow(header)


def test_a_star_lets_every_name_in() -> None:
    assert Hosts(hosts.read("*")).allow("evil.example")


def test_names_are_read_from_a_list() -> None:
    assert hosts.read("") == ()
    assert hosts.read(" Wall.example.com, *.shop.cn ,") == ("wall.example.com", "*.shop.cn")


@pytest.mark.parametrize(
    "text", ["http://wall.example.com", "wall:8600", "wall.example.com/", "*wall.cn", "a b", ".cn"]
)
def test_what_is_no_name_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(SettingsError, match="FENGHUO_HOSTS: expected names such as"):
        settings.read({"FENGHUO_HOSTS": text})


def test_the_setting_is_handed_on() -> None:
    given = Settings(hosts="wall.example.com")
    assert settings.read(settings.environment(given)) == given


def test_loopback_is_known() -> None:
    assert all(map(hosts.is_loopback, ("127.0.0.1", "127.8.9.1", "::1", "localhost")))
    assert not any(map(hosts.is_loopback, ("0.0.0.0", "::", "10.0.0.1", "wallbox", "")))
