"""A command to Redis ends, by time and by bytes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.patience import PATIENCE
from zava.infra.redis_connection import BoundedSocket, meaning

Pair = tuple[BoundedSocket, socket.socket]


def bounded_pair(seconds: float) -> Iterator[Pair]:
    """Yield a bounded socket of ten bytes, and its other end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield BoundedSocket(ours, seconds, 10), theirs


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A socket that has time, and its other end."""
    yield from bounded_pair(PATIENCE)


@pytest.fixture
def hasty() -> Iterator[Pair]:
    """A socket of a tenth of a second, and its other end."""
    yield from bounded_pair(0.1)


def test_an_answer_may_have_so_many_bytes_and_the_next_one_too(pair: Pair) -> None:
    bounded, other = pair
    for _ in range(2):
        bounded.sendall(b"question")
        other.sendall(b"x" * 10)
        assert bounded.recv(100) == b"x" * 10
    other.sendall(b"x")
    with pytest.raises(OSError, match="longer"):
        bounded.recv(100)


def test_bytes_that_are_read_into_a_buffer_count(pair: Pair) -> None:
    bounded, other = pair
    bounded.sendall(b"question")
    other.sendall(b"x" * 11)
    buffer = bytearray(8)
    assert bounded.recv_into(buffer) == 8
    with pytest.raises(OSError, match="longer"):
        bounded.recv_into(buffer)


def test_a_command_has_one_time_for_all_that_it_reads(hasty: Pair) -> None:
    bounded, other = hasty
    bounded.settimeout(None)
    bounded.sendall(b"question")
    with pytest.raises(TimeoutError):
        while True:
            other.sendall(b"x")
            bounded.recv(1)
            bounded._bytes_left = 10


def test_a_command_that_nobody_reads_ends(hasty: Pair) -> None:
    bounded, _ = hasty
    with pytest.raises(TimeoutError):
        bounded.sendall(b"x" * 10_000_000)
    with pytest.raises(TimeoutError):
        bounded.recv(1)


def test_a_look_without_waiting_stays_one(pair: Pair) -> None:
    bounded, other = pair
    bounded.settimeout(0)
    with pytest.raises(BlockingIOError):
        bounded.recv(1)
    other.sendall(b"x")
    assert bounded.recv(1) == b"x"
    assert bounded.fileno() >= 0


def test_what_a_failure_means_is_said_in_words_of_its_own() -> None:
    assert meaning(ValueError("sent by a server")) == (
        "what answers there is no Redis (ValueError)"
    )
    assert meaning(OSError()) == "OSError"
