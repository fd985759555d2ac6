"""The people of the seed, by role."""

from __future__ import annotations

import csv
from pathlib import Path

STORE_MANAGERS = {
    "Zava Retail Seattle": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "Zava Retail Bellevue": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "Zava Retail Tacoma": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "Zava Retail Spokane": "d8e9f0a1-b2c3-4567-8901-234567890abc",
    "Zava Retail Everett": "3b9ac9fa-cd5e-4b92-a7f2-b8c1d0e9f2a3",
    "Zava Retail Redmond": "e7f8a9b0-c1d2-3e4f-5678-90abcdef1234",
    "Zava Retail Kirkland": "9c8b7a65-4321-fed0-9876-543210fedcba",
    "Zava Retail Online": "2f4e6d8c-1a3b-5c7e-9f0a-b2d4f6e8c0a2",
}
SEATTLE = STORE_MANAGERS["Zava Retail Seattle"]
REDMOND = STORE_MANAGERS["Zava Retail Redmond"]

NIL = "00000000-0000-0000-0000-000000000000"
STRANGER = "5e0d2f6e-97c1-4f0b-a5b8-0b9c2a1d7e34"


def regional_manager(name: str) -> str:
    """The user id of a regional manager, from the seed's own file."""
    path = Path(__file__).parent.parent / "seed" / "regional_managers.csv"
    with path.open(encoding="utf-8", newline="") as file:
        ids = {row["name"]: row["user_id"] for row in csv.DictReader(file)}
    return ids[name]
