"""From an operator's `ibc_settings` to ibc.ini: checked against the catalogue, completed, rendered.

Runs on the controller, through plugins/filter/ibc_settings.py. It also writes docs/ibc-settings.md:

    PYTHONPATH=roles/ibc/files python3 -m ibgatewaylib.ibc_settings > docs/ibc-settings.md
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .ibc_catalogue import BY_NAME, CATALOGUE, FORMER, SECTIONS, SHORTEST_EXIT_WITH_DEVICE, Setting
from .ibc_values import BadValueError
from .properties import escape


class BadSettingsError(ValueError):
    """An instance's settings cannot be used; the text holds one sentence a line."""


def effective(instance: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return what ibc.ini shall hold for an instance, and what is wrong with its settings.

    Args:
        instance: a complete instance; read are name, mode, api_port, command_port, ibc_version, settings
            (IBC's names to YAML values), and daily_restart (HH:MM or empty, judged by the schedule's
            compiler).

    Returns:
        Setting to value in the catalogue's order, and the problems, one sentence each. The values are
        complete only when there is no problem.
    """
    version = _numbers(instance["ibc_version"])
    problems: list[str] = []
    chosen: dict[str, str] = {}
    for name, value in instance["settings"].items():
        try:
            chosen[name] = _check(name, value, version)
        except BadValueError as refused:
            problems.append(str(refused))
    values: dict[str, str] = {}
    for setting in CATALOGUE:
        if setting.name in chosen:
            values[setting.name] = chosen[setting.name]
        elif setting.ours is not None and _numbers(setting.since) <= version:
            ours = setting.ours if isinstance(setting.ours, str) else setting.ours(instance)
            if ours:
                values[setting.name] = ours
    problems += _conflicts(values, instance)
    return values, [f"Instance '{instance['name']}': {problem}." for problem in problems]


def problems_of(instances: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the settings and credentials of these instances, one sentence each.

    No sentence holds a credential.
    """
    return [
        problem for instance in instances for problem in (*effective(instance)[1], *_credentials(instance))
    ]


def render(instance: Mapping[str, Any]) -> str:
    """Return the lines of ibc.ini for an instance, without credentials, escaped as Java properties.

    Raises:
        BadSettingsError: when a setting is wrong.
    """
    values, problems = effective(instance)
    if problems:
        raise BadSettingsError("\n".join(problems))
    lines, section = [], 0
    for name, value in values.items():
        if BY_NAME[name].section != section:
            section = BY_NAME[name].section
            lines.append(f"# {SECTIONS[section]}")
        lines.append(f"{name}={escape(value)}")
    return "\n".join(lines)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", str(version)))


def _check(name: Any, value: Any, version: tuple[int, ...]) -> str:
    """Return one setting's value as IBC reads it, or refuse it in a sentence without its full stop."""
    setting = BY_NAME.get(name)
    if setting is None:
        raise BadValueError(_unknown(str(name)))
    if setting.not_yours:
        raise BadValueError(f"{name} may not be in ibc_settings: {setting.not_yours}")
    if _numbers(setting.since) > version:
        shown = ".".join(map(str, version))
        raise BadValueError(f"{name} needs IBC {setting.since} or later, and this is {shown}: leave it out")
    if value is None:
        raise BadValueError(f'{name} has no value: write "" to leave it empty, or remove the line')
    if value == "":
        return ""
    try:
        return setting.kind.check(value)
    except BadValueError as refused:
        raise BadValueError(f"{name} {refused}") from None


def _unknown(name: str) -> str:
    if name in FORMER:
        return f"{name} is a setting that IBC gave up: {FORMER[name]}"
    lower = {key.lower(): key for key in BY_NAME}
    near = difflib.get_close_matches(name.strip().lower(), lower, n=1, cutoff=0.0)[0]
    return f"IBC has no setting {name!r}: the nearest is {lower[near]} (all are in docs/ibc-settings.md)"


def _credentials(instance: Mapping[str, Any]) -> Iterable[str]:
    for key in ("username", "password"):
        text = instance.get(key, "")
        if text != text.strip(" "):
            yield (
                f"Instance '{instance['name']}': {key} begins or ends with a blank, which IBC drops: "
                "remove it from the vault, or change it at IBKR."
            )


def _conflicts(values: Mapping[str, str], instance: Mapping[str, Any]) -> Iterable[str]:
    """Name the settings that make no sense together, or not for IB Gateway."""
    if values.get("ReadOnlyLogin") == "yes":
        yield "ReadOnlyLogin is refused by IB Gateway: use ReadOnlyApi to keep API clients from trading"
    if values.get("ColdRestartTime") and values.get("ClosedownAt"):
        yield "ColdRestartTime and ClosedownAt exclude each other, for IBC keeps one timer: remove one"
    relogin = values.get("ReloginAfterSecondFactorAuthenticationTimeout") == "yes"
    interval = values.get("SecondFactorAuthenticationExitInterval") or "60"
    if relogin and values.get("SecondFactorDevice") and int(interval) < SHORTEST_EXIT_WITH_DEVICE:
        yield (
            f"SecondFactorAuthenticationExitInterval {interval} ends IBC while the push is still open when "
            f"SecondFactorDevice is set: write {SHORTEST_EXIT_WITH_DEVICE} or more"
        )
    home = f"/var/lib/ibgateway/{instance['name']}/"
    if values.get("EventLogFile") and not values["EventLogFile"].startswith(home):
        yield f"EventLogFile must be inside {home}, the only folder the service may write to: move it there"


def page() -> str:
    """Return docs/ibc-settings.md."""
    lines = [
        "# IBC's settings",
        "",
        "Write them in `ibc_settings`, or for one instance in its `settings`, by these names. Unknown names,",
        "wrong values and settings that exclude each other are refused before the host is touched.",
        'Quote times. `""` leaves a setting empty, which gives IBC\'s default. Settings since 3.25.0 belong',
        "to the fork `ibc2` only.",
        "",
        "This page is written from the catalogue, `roles/ibc/files/ibgatewaylib/ibc_catalogue.py`:",
        "`PYTHONPATH=roles/ibc/files python3 -m ibgatewaylib.ibc_settings > docs/ibc-settings.md`",
    ]
    for number, title in SECTIONS.items():
        lines += ["", f"## {title}", "", "| Setting | Values | IBC's default | Ours | Since | Meaning |"]
        lines.append("|---|---|---|---|---|---|")
        lines += [_row(setting) for setting in CATALOGUE if setting.section == number]
    return "\n".join(lines) + "\n"


def _row(setting: Setting) -> str:
    ours = f"`{setting.ours}`: {setting.why}" if isinstance(setting.ours, str) else setting.why
    values = f"not yours: {setting.not_yours}" if setting.not_yours else setting.kind.name
    cells = (f"`{setting.name}`", values, setting.ibc_default, ours, setting.since, setting.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
