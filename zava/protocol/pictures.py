"""Pictures: the charts drawn last, kept in memory so that a client can fetch them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from cachetools import TTLCache

PICTURES_URI = "zava://pictures"
PNG = "image/png"

MAX_PICTURES = 32
MAX_BYTES = 8 * 1024 * 1024
SECONDS = 3600


class Picture(NamedTuple):
    """A PNG and what it shows."""

    name: str
    title: str
    data: bytes

    def facts(self) -> dict[str, Any]:
        """Return what a list of resources, or a link, says of it."""
        return {
            "uri": f"{PICTURES_URI}/{self.name}",
            "name": self.name,
            "title": self.title,
            "mime_type": PNG,
            "size": len(self.data),
        }


class Pictures:
    """Keeps the last pictures for `SECONDS`; safe for threads.

    There are at most `MAX_PICTURES`, and they have at most `MAX_BYTES` together.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept: TTLCache[str, Picture] = TTLCache(
            MAX_BYTES, SECONDS, timer=clock, getsizeof=lambda picture: len(picture.data)
        )
        self._lock = threading.Lock()

    def keep(self, data: bytes, title: str) -> Picture | None:
        """Keep a picture; None if it is too large to be kept.

        The same picture has the same name, whenever it is drawn.
        """
        if len(data) > MAX_BYTES:
            return None
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.png"
        picture = Picture(name, title, data)
        with self._lock:
            self._kept.pop(name, None)
            self._kept[name] = picture
            while len(self._kept) > MAX_PICTURES:
                self._kept.popitem()
        return picture

    def all(self) -> list[Picture]:
        """Return the pictures that are kept."""
        with self._lock:
            self._kept.expire()
            return list(self._kept.values())

    def get(self, name: str) -> Picture | None:
        """Return a picture, or None if it is not kept, or no longer."""
        with self._lock:
            return self._kept.get(name)
