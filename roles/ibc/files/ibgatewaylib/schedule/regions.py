"""Which region's reset windows count for an instance.

It is the region of the server that hosts the account, not of the machine. After a login Gateway writes that
server's name to `jts.ini` as `Peer=`; the prefixes are those that QuantConnect's IBAutomater uses. Paper
accounts are always hosted in America (IBKR Campus).
"""

from __future__ import annotations

REGIONS = ("america", "europe", "asia")
AUTO = "auto"
ASSUMED = "america"
"""Counts until the first login has told more."""
CHOICES = (AUTO, *REGIONS)

_PREFIXES = {"ndc1": "america", "cdc1": "america", "gdc1": "america", "zdc1": "europe", "hdc1": "asia",
             "mcgw1": "asia"}  # fmt: skip


def region_from_jts_ini(text: str) -> str | None:
    """Return the region of the server that a `jts.ini` names, or None when it names none we know."""
    for line in text.splitlines():
        key, equals, host = line.partition("=")
        if equals and key.strip().lower() == "peer":
            name = host.strip().lower()
            for prefix, region in _PREFIXES.items():
                if name.startswith(prefix):
                    return region
    return None


def resolve(mode: str, region: str, jts_ini: str = "") -> str | None:
    """Return the region that counts.

    Args:
        mode: live or paper.
        region: what the operator wrote, one of CHOICES.
        jts_ini: the instance's jts.ini, as far as there is one.

    Returns:
        The region's name; None when it is to be found out and not known before the first login.
    """
    if mode == "paper":
        return ASSUMED
    return region if region != AUTO else region_from_jts_ini(jts_ini)
