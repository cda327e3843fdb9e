"""What Gateway's system codes say about its link and the data farms (IBKR Campus, "Error Handling")."""

from __future__ import annotations

import re

LINK = {1100: "down", 2110: "down", 1101: "up", 1102: "up"}
FARM_DOWN = frozenset([2103, 2105, 2157])
FARM_UP = frozenset([2104, 2106, 2158])
FARM_IDLE = frozenset([2107, 2108])
"""Not connected because nobody asks for its data; that is fine."""
TOLD = frozenset([326, 1300, 10141, 10197])
"""Passed on as they are: client id in use, API port changed, paper disclaimer, competing session."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,30}")
_ALL_FARMS = "all data farms are connected"


class System:
    """What the codes of one connection add up to.

    Attributes:
        link: up, down, or empty while Gateway has not said.
        code: the one that said so.
        farms: those that are broken.
    """

    def __init__(self) -> None:
        self.link = ""
        self.code = 0
        self.farms: frozenset[str] = frozenset()

    def take(self, code: int, text: str) -> None:
        """Count one code in.

        Args:
            code: as Gateway sent it.
            text: its words, which end with the farm's name.
        """
        if code in LINK:
            self.link, self.code = LINK[code], code
            if _ALL_FARMS in text.lower():
                self.farms = frozenset()
        elif code in FARM_DOWN:
            self.farms |= {_farm(text)}
        elif code in FARM_UP or code in FARM_IDLE:
            self.farms -= {_farm(text)}
            if code in FARM_UP:
                self.link, self.code = "up", code


def _farm(text: str) -> str:
    """The farm a text names: behind the colon, or for an idle one behind "upon demand."."""
    name = text.rpartition(":" if ":" in text else "demand.")[2].strip()
    return name if _NAME.fullmatch(name) else "unnamed"
