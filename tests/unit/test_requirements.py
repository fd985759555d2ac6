"""The lowest versions that setup.cfg admits are installed and tested."""

from __future__ import annotations

import configparser
import re
import sys
from importlib.metadata import version

from tests.conftest import LOWEST_IS_REQUIRED, ROOT

TESTED_EXTRAS = ("charts", "embedded", "redis", "test")


def floors() -> dict[str, str]:
    """Package -> the lowest version that setup.cfg admits."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = config["options.extras_require"]
    lines = [config["options"]["install_requires"]]
    lines += [extras[extra] for extra in TESTED_EXTRAS]
    return dict(
        re.findall(r"^([\w-]+)(?:\[[\w,]+\])?>=([\w.]+)", "\n".join(lines), re.M)
    )


def pinned() -> dict[str, str]:
    """Package -> the version that the environment `lowest` installs."""
    text = (ROOT / "tests" / "lowest.txt").read_text("utf-8")
    return dict(re.findall(r"^([\w-]+)==([\w.]+)$", text, re.M))


def parts(text: str) -> tuple[int, ...]:
    """A version's numbers, without zeros at the end."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def test_every_requirement_has_a_lowest_version() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = config["options"]["install_requires"].split()
    for extra in TESTED_EXTRAS:
        required += config["options.extras_require"][extra].split()
    assert len(floors()) == len(required)


def test_the_environment_lowest_installs_what_setup_cfg_admits() -> None:
    assert pinned() == floors()


def test_the_installed_versions_are_ones_that_setup_cfg_admits() -> None:
    needed = set(floors()) - ({"tomli"} if sys.version_info >= (3, 11) else set())
    installed = {package: parts(version(package)) for package in needed}
    admitted = {package: parts(floor) for package, floor in floors().items()}
    wrong = {
        package: installed[package]
        for package, floor in admitted.items()
        if package in needed
        and (
            installed[package] < floor
            or (LOWEST_IS_REQUIRED and installed[package] != floor)
        )
    }
    assert wrong == {}
