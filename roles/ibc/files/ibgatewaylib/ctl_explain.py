"""`ibgatewayctl explain`: the runbook's sections, as text for a terminal."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from . import ctl_alerting, ctl_codes
from .ctl_host import CtlError

_HEAD = re.compile(r'^<a id="([a-z_]+)"></a>\n### (.+)$', re.MULTILINE)
_NEXT = re.compile(r"^(?:<a id=|#{1,3} )", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(#([a-z_]+)\)")
_OTHER_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_NAME = "live"
"""The runbook's own instance."""


class Section:
    """One section of the runbook.

    Attributes:
        id: its anchor: the kind of an incident, or a recipe's name.
        title: its heading.
        text: what it says, in Markdown.
    """

    __slots__ = ("id", "text", "title")

    def __init__(self, anchor: str, title: str, text: str) -> None:
        self.id, self.title, self.text = anchor, title, text


def sections(runbook: Path | None = None) -> dict[str, Section]:
    """The whole runbook, by id, in its order.

    Args:
        runbook: the file; default: the host's copy.

    Raises:
        CtlError: it is not there.
    """
    runbook = runbook or ctl_alerting.RUNBOOK
    try:
        text = runbook.read_text(encoding="utf-8")
    except OSError:
        raise CtlError(f"{runbook} is not there: run the playbook with --tags alerting") from None
    found = {}
    for head in _HEAD.finditer(text):
        end = _NEXT.search(text, head.end())
        found[head[1]] = Section(head[1], head[2], text[head.end() : end.start() if end else None].strip())
    return found


def find(what: str) -> tuple[Section, str]:
    """The section for an id or an incident's number.

    Returns:
        the section, and the name of the instance that it is about (empty for none).

    Raises:
        CtlError: there is none (4), or runbook or database cannot be read.
    """
    known = sections()
    instance = ""
    if what.isdecimal():
        incident = ctl_alerting.Alerting().incident(int(what))
        if incident is None:
            raise CtlError(
                f"there is no incident {what}: see `ibgatewayctl incidents --all`", ctl_codes.UNKNOWN
            )
        what, instance = incident["kind"], incident["instance"]
    if what in known:
        return known[what], instance
    close = difflib.get_close_matches(what.replace("-", "_"), known, 1)
    hint = f"did you mean {close[0]}?" if close else "`ibgatewayctl explain` lists what there is"
    raise CtlError(f"nothing is known of {what!r}: {hint}", ctl_codes.UNKNOWN)


def listed() -> str:
    """Every section in a line."""
    known = sections()
    width = max(map(len, known), default=0)
    return "\n".join(f"{section.id:{width}}  {section.title}" for section in known.values())


def plain(section: Section, instance: str = "") -> str:
    """A section for a terminal.

    Args:
        section: which.
        instance: put into its commands; empty leaves the runbook's own.
    """
    text = _LINK.sub(lambda link: f"{link[1]} (ibgatewayctl explain {link[2]})", section.text)
    text = _OTHER_LINK.sub(lambda link: link[1], text).replace("**", "").replace("\\|", "|")
    text = re.sub(r"(?<!\w)\*(\w[^*\n]*\w)\*", r"“\1”", text)
    if instance:
        text = re.sub(rf"(ibgatewayctl [a-z-]+ |@){_NAME}\b", lambda found: found[1] + instance, text)
    return f"{section.title}\n{'=' * len(section.title)}\n\n{_without_tables(text)}"


def _without_tables(text: str) -> str:
    lines: list[str] = []
    rows = text.splitlines()
    for number, line in enumerate(rows):
        if not line.startswith("|"):
            lines.append(line)
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        below = rows[number + 1] if number + 1 < len(rows) else ""
        if set(line) <= set("|- ") or (below and set(below) <= set("|- ")):
            continue  # the rule under the header, and the header
        lines.append(f"- {cells[0]}: {'; '.join(cells[1:])}")
    return "\n".join(lines)
