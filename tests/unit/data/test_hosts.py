"""Which host libpq is told to try first."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.fakes import FakeClock
from zava.data.hosts import Hosts

THREE = "host=a,b,c port=1,2,3 user=u"


def order(hosts: Hosts) -> str:
    parts = conninfo_to_dict(hosts.conninfo())
    return f"{parts['host']} {parts['port']}"


@pytest.mark.parametrize(
    ("conninfo", "several"),
    [
        ("host=a,b dbname=x", True),
        ("postgresql://a:5432,b:5433/x", True),
        ("hostaddr=10.0.0.1,10.0.0.2", True),
        ("host=a port=5432", False),
        ("dbname=x", False),
    ],
)
def test_several_hosts_are_seen_in_a_connection_string(
    conninfo: str, several: bool
) -> None:
    assert Hosts(conninfo).has_several is several


def test_a_host_that_is_behind_comes_last_for_a_while() -> None:
    clock = FakeClock()
    hosts = Hosts(THREE, clock)
    assert order(hosts) == "a,b,c 1,2,3"
    hosts.note_behind("a", 1, is_too_old=False)
    assert order(hosts) == "b,c,a 2,3,1"
    hosts.note_behind("b", 2, is_too_old=True)
    assert order(hosts) == "c,a,b 3,1,2"
    hosts.note_behind("c", 3, is_too_old=False)
    assert order(hosts) == "a,b,c 1,2,3"
    clock.advance(5)
    assert order(hosts) == "a,b,c 1,2,3"


def test_a_standby_that_is_too_old_leaves_its_place_to_the_primary() -> None:
    hosts = Hosts(f"{THREE} target_session_attrs=prefer-standby", FakeClock())
    hosts.note_behind("a", 1, is_too_old=True)
    assert order(hosts) == "b,c 2,3"
    hosts.note_behind("b", 2, is_too_old=False)
    assert order(hosts) == "c,b 3,2"


def test_one_port_is_that_of_every_host_and_an_address_stays_with_its_name() -> None:
    hosts = Hosts("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=7", FakeClock())
    hosts.note_behind("a", 7, is_too_old=False)
    parts = conninfo_to_dict(hosts.conninfo())
    assert (parts["host"], parts["hostaddr"]) == ("b,a", "10.0.0.2,10.0.0.1")
    assert parts["port"] == "7,7"


def test_hosts_are_taken_at_random_but_for_the_one_that_is_behind() -> None:
    hosts = Hosts(f"{THREE} load_balance_hosts=random", FakeClock())
    hosts.note_behind("b", 2, is_too_old=False)
    orders = {order(hosts) for _ in range(100)}
    assert orders == {"a,c,b 1,3,2", "c,a,b 3,1,2"}
    assert "load_balance_hosts=disable" in hosts.conninfo()
