"""Pictures of Vega-Lite specifications, drawn by a process of their own.

The library that draws brings a JavaScript engine and takes 100 MB. Each picture is
drawn by a child with limits of memory and time, so that nothing of it stays in the
server. Run as a program it is that child: a request as JSON on stdin, the result as
bytes on stdout.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

from zava.errors import BusyError, ChartError, ConfigurationError

Format = Literal["png", "svg", "library"]

DISTRIBUTION = "vl-convert-python"
"""What brings the library that draws."""

TIMEOUT = 20.0
"""Seconds that a picture may take."""

_MEMORY = 1 << 30
_SCALE = 1.5
_TURNS = threading.BoundedSemaphore(2)
_LIBRARY = "vl_convert"
_REMEDY = 'charts need a package: pip install "zava[charts]"'


@cache
def can_draw() -> bool:
    """Return whether the library that draws is installed."""
    return find_spec(_LIBRARY) is not None


def check_library() -> None:
    """See that the library is there, before anything is made for it.

    Raises:
        ConfigurationError: It is not.
    """
    if not can_draw():
        raise ConfigurationError(_REMEDY)


def draw(spec: dict[str, Any], form: Format) -> bytes:
    """Return a specification as a picture.

    Args:
        spec: Vega-Lite, with its data.
        form: png, at three pixels for two, or svg.

    Raises:
        ConfigurationError: The library is not installed.
        BusyError: Other pictures are being drawn.
        ChartError: It takes more time or memory than a picture may, or the library
            cannot draw it.
    """
    return _run({"spec": spec, "form": form})


def javascript() -> str:
    """Return what draws a specification in a browser, as one script.

    Raises:
        ConfigurationError: As for `draw`.
    """
    return _run({"spec": {}, "form": "library"}).decode()


def _run(request: dict[str, Any]) -> bytes:
    check_library()
    if not _TURNS.acquire(timeout=TIMEOUT):
        raise BusyError("other charts are being drawn: call again later")
    try:
        done = subprocess.run(  # noqa: S603 - this very module
            [sys.executable, "-I", "-m", __name__],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=TIMEOUT,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ChartError(
            f"the chart took longer than {TIMEOUT:g} s: ask for fewer rows"
        ) from exc
    finally:
        _TURNS.release()
    if done.returncode == 0:
        return done.stdout
    if done.returncode < 0:
        raise ChartError("the chart is too large to be drawn: ask for fewer rows")
    reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    raise ChartError(f"the chart cannot be drawn: {' '.join(reason)[:300]}")


def main() -> None:
    """Draw what stdin asks for."""
    for which, limit in (
        (resource.RLIMIT_DATA, _MEMORY),
        (resource.RLIMIT_CPU, int(TIMEOUT)),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (limit, limit))
    request = json.load(sys.stdin)
    import vl_convert

    drawn: str | bytes
    if request["form"] == "library":
        drawn = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    elif request["form"] == "svg":
        drawn = vl_convert.vegalite_to_svg(request["spec"], allowed_base_urls=[])
    else:
        drawn = vl_convert.vegalite_to_png(
            request["spec"], scale=_SCALE, allowed_base_urls=[]
        )
    with open(1, "wb", closefd=False) as out:
        out.write(drawn if isinstance(drawn, bytes) else drawn.encode())


if __name__ == "__main__":
    main()
