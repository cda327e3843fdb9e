"""What Gateway's settings are, against what was wanted: as IBC reports them, and as jts.ini holds them.

Gateway keeps most settings in an encrypted file, so IBC's report while it sets them is the only witness.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, without importing it
if TYPE_CHECKING:
    from .instance import Instance

# Setting in ibc.ini → the word of the dialect's `setting_found`.
_FOUND = {
    "OverrideTwsApiPort": "port",
    "ReadOnlyApi": "read_only",
    "OverrideTwsMasterClientID": "master_client",
    "AllowLocalhostOnly": "localhost_only",
    "SendMarketDataInLotsForUSstocks": "us_lots",
    "AutoRestartTime": "restart_time",
    "AutoLogoffTime": "logoff_time",
}
# The label of each precaution's box, as Gateway shows it and IBC logs it (IBC 3.24.1), in lower case.
_BOXES = {
    "BypassOrderPrecautions": "bypass order precautions for api orders",
    "BypassBondWarning": "bypass bond warning for api orders",
    "BypassNegativeYieldToWorstConfirmation": "bypass negative yield to worst confirmation for api orders",
    "BypassCalledBondWarning": "bypass called bond warning for api orders",
    "BypassSameActionPairTradeWarning": 'bypass "same action pair trade" warning for api orders',
    "BypassPriceBasedVolatilityRiskWarning": "bypass price-based volatility risk warning for api orders",
    "BypassUSStocksMarketDataInSharesWarning": (
        "bypass us stocks market data in shares warning for api orders"
    ),
    "BypassRedirectOrderWarning": "bypass redirect order warning for stock api orders",
    "BypassNoOverfillProtectionPrecaution": (
        "bypass no overfill protection precaution for destinations where implied natively"
    ),
}
_YES = ("yes", "true", "selected")
_NO = ("no", "false", "unselected")
NOT_REPORTED = "not reported"


class ReadBack:
    """One run's comparison.

    Args:
        values: ibc.ini's settings.
        instance: whose.
    """

    def __init__(self, values: dict[str, str], instance: Instance) -> None:
        self._instance = instance
        # IBC ignores AutoLogoffTime when AutoRestartTime is set.
        ignored = "AutoLogoffTime" if values.get("AutoRestartTime") else ""
        self._wanted = {key: values[key] for key in (*_FOUND, *_BOXES) if values.get(key) and key != ignored}
        self._found: dict[str, str] = {}

    def found(self, key: str, value: str, box: str = "") -> None:
        """Take in what IBC reports (the dialect's `setting_found`)."""
        if key == "box":
            key = box.lower().rstrip(". ")
        self._found[key] = value.strip()

    def result(self, jts_ini: str) -> dict[str, dict]:
        """Compare, once the settings are entered.

        Args:
            jts_ini: the file's content, empty when there is none.

        Returns:
            setting → `wanted`, `found` and `ok`, for state.json.
        """
        compared = {}
        for key, wanted in self._wanted.items():
            found = self._found.get(_FOUND.get(key) or _BOXES[key], NOT_REPORTED)
            compared[key] = _entry(wanted, found, _plain(wanted) == _plain(found))
        held = sections(jts_ini)
        for (section, key), wanted in {
            ("Logon", "TimeZone"): self._instance.timezone,
            ("IBGateway", "ApiOnly"): "true",
        }.items():
            found = held.get((section, key), "")
            compared[f"jts.ini {key}"] = _entry(wanted, found, wanted == found)
        return compared


def differences(compared: dict[str, dict]) -> str:
    """What differs, in one sentence; empty when nothing does."""
    return "; ".join(
        f"{key}: wanted {entry['wanted']}, found {entry['found'] or 'nothing'}"
        for key, entry in compared.items()
        if not entry["ok"]
    )


def sections(text: str) -> dict[tuple[str, str], str]:
    """Read a file such as jts.ini; what cannot be understood is passed over.

    Returns:
        (section, key) → value.
    """
    held: dict[tuple[str, str], str] = {}
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
            continue
        key, equals, value = stripped.partition("=")
        if equals:
            held.setdefault((section, key.strip()), value.strip())
    return held


def _entry(wanted: str, found: str, ok: bool) -> dict:
    return {"wanted": wanted, "found": found, "ok": ok}


def _plain(value: str) -> str:
    """Yes, true and selected mean the same, as do 05:15 PM and 5:15 pm."""
    value = " ".join(value.lower().split())
    if value in _YES:
        return "yes"
    if value in _NO:
        return "no"
    return value.lstrip("0") or value
