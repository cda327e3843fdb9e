"""What the verbs of scripts/ops that run a playbook share: arguments, the view, the end.

A verb is a playbook and this; `finish` tells what the exit codes are. A new verb needs a module `ops_VERB`
and its name in `ops.VERBS`.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from scripts.lib import run_view, runner
from scripts.lib.refused import Refused
from scripts.lib.runner import ROOT, HostResult, Result

CODES = """\
Exit codes: 0 done · 1 refused or failed before a host was touched, and why · 2 usage ·
4 some hosts failed or did not answer · 130 interrupted (run it again: it goes on from there).
"""
AGAIN = "The same command goes on from there."
# Option to what we ask; ansible-playbook asks with the same words, and gets the answer through its terminal.
ASKED = {"ask_vault_pass": "Vault password", "ask_become_pass": "BECOME password"}


def arguments(parser: argparse.ArgumentParser, epilog: str = "", codes: str = CODES) -> None:
    """Add what every such verb has.

    Args:
        parser: the verb's.
        epilog: its examples.
        codes: its exit codes, where they are others.
    """
    parser.epilog = f"{epilog}\n{codes}" if epilog else codes
    parser.add_argument(
        "-i", "--inventory", action="append", default=[], help="the inventory (default: inventories/demo)"
    )
    parser.add_argument("--limit", default="", metavar="PATTERN", help="only these hosts")
    parser.add_argument(
        "-e", "--extra-vars", action="append", default=[], metavar="VARS", help="as ansible-playbook has it"
    )
    parser.add_argument(
        "--vault-password-file",
        action="append",
        default=[],
        metavar="FILE",
        help="as ansible-playbook has it",
    )
    parser.add_argument("--ask-vault-pass", action="store_true", help="as ansible-playbook has it")
    parser.add_argument("-K", "--ask-become-pass", action="store_true", help="as ansible-playbook has it")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="for programs: one document at the end")
    shown.add_argument(
        "--plain",
        action="store_true",
        help="a line a task, no live ones (as where the output is no terminal)",
    )


def tags(parser: argparse.ArgumentParser) -> None:
    """Add --tags, for verbs that run site.yml."""
    parser.add_argument("--tags", default="", help="only these parts, as ROLE or ROLE_configure, with commas")


def now(parser: argparse.ArgumentParser) -> None:
    """Add --now and --force, for verbs that restart instances where they are told to."""
    parser.add_argument(
        "--now", action="store_true", help="restart in this run, and follow until it is ready"
    )
    parser.add_argument("--force", action="store_true", help="whatever speaks against a restart now")


def restarting(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the playbooks behind such verbs want to know: which instances, and the restart."""
    given = {
        "instance": ",".join(options.instance),
        "ibgateway_restart": "now" if options.now else "",
        "ibgateway_force": options.force,
    }
    return {name: value for name, value in given.items() if value}


def directory_option(parser: argparse.ArgumentParser, usual: str) -> None:
    """Add --directory, for verbs that fetch something.

    Args:
        parser: the verb's.
        usual: where to without it, in the project.
    """
    parser.add_argument(
        "--directory", default="", metavar="DIR", help=f"where to (default: the project's {usual})"
    )


def directory(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """Return the variable that --directory is for; none where the playbook's own shall hold."""
    return {name: str(Path(options.directory).expanduser().absolute())} if options.directory else {}


def run(
    options: argparse.Namespace,
    verb: str,
    playbook: str,
    *,
    extravars: Mapping[str, Any] | None = None,
    check: bool = False,
    diff: bool = False,
    said: bool = True,
) -> Result:
    """Run a playbook as the verb's arguments want it, and show it meanwhile.

    Args:
        options: as `arguments` made them.
        verb: its name.
        playbook: from the root of the project.
        extravars: of the verb itself; they stand above the operator's.
        check: change nothing.
        diff: have differences told.
        said: whether the playbook's messages are shown as they come.

    Raises:
        Refused: the inventory or a password's file is not there.
    """
    for name in options.inventory:
        if "," not in name and not Path(name).exists():
            raise Refused(f"the inventory {name} is not there")
    for name in options.vault_password_file:
        if not Path(name).exists():
            raise Refused(f"the vault password file {name} is not there")
    passwords = {
        rf"{prompt}[^:\n]*:\s*$": getpass.getpass(f"{prompt}: ")
        for asked, prompt in ASKED.items()
        if getattr(options, asked)
    }
    with _view(options, said) as view:
        return runner.run(
            ROOT / playbook,
            verb=verb,
            inventory=options.inventory,
            limit=options.limit,
            extravars=extravars,
            extra=options.extra_vars,
            tags=getattr(options, "tags", ""),
            check=check,
            diff=diff,
            vault_password_files=options.vault_password_file,
            passwords=passwords,
            on_event=view.event,
        )


def said(result: Result, task: str) -> dict[str, list[str]]:
    """Return what a task told the operator, host by host."""
    return {name: host.said.get(task, []) for name, host in result.hosts.items()}


def told(result: Result, lines: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the end for a person: a line for each host, then what there is to say of each.

    Args:
        result: of the run.
        lines: host to its lines; what the playbook warns of is added.
    """
    return [
        *run_view.summary(result),
        *(
            f"{name}: {line}"
            for name, host in result.hosts.items()
            for line in (*lines[name], *host.warnings)
        ),
    ]


def finish(
    options: argparse.Namespace,
    verb: str,
    result: Result,
    *,
    lines: Sequence[str] | None = None,
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    code: int | None = None,
    again: str = AGAIN,
) -> int:
    """Say how it ended, and keep it beside the log.

    Args:
        options: as `arguments` made them.
        verb: its name.
        result: of the run.
        lines: for a person (default: one for each host).
        hosts: what the verb has to say of each host, in the document.
        code: the exit code, where the verb has its own.
        again: what to do after an interruption.

    Returns:
        the exit code.
    """
    code = result.code if code is None else code
    document = {
        "verb": verb,
        "exit_code": code,
        "refusals": result.refusals,
        "interrupted": result.interrupted,
        "hosts": {
            name: _document(host) | dict((hosts or {}).get(name, {})) for name, host in result.hosts.items()
        },
        "log": str(result.log),
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (result.log.parent / "result.json").write_text(text + "\n", encoding="utf-8")
    if options.json:
        print(text)
        return code
    # Half a plan would look like a whole one.
    for line in run_view.summary(result) if lines is None or result.interrupted else lines:
        print(line)
    here = Path.cwd()
    print(f"Log: {result.log.relative_to(here) if result.log.is_relative_to(here) else result.log}")
    for refusal in result.refusals:
        print(f"ERROR: {refusal}", file=sys.stderr)
    if result.interrupted:
        print(f"Interrupted. What a host was doing may still end there. {again}", file=sys.stderr)
    elif result.rc and not result.refusals and all(host.well for host in result.hosts.values()):
        print(f"ERROR: ansible-playbook ended with {result.rc}; the log says why", file=sys.stderr)
    return code


def _document(host: HostResult) -> dict[str, Any]:
    return {
        "ok": host.ok,
        "changed": host.changed,
        "failed": host.failed,
        "unreachable": host.unreachable,
        "reason": host.reason,
        "tasks": [
            {
                "name": task.name,
                "status": task.status,
                "item": task.item,
                "paths": list(task.paths),
                "reason": task.reason,
            }
            for task in host.tasks
        ],
        "said": host.said,
    }


def _view(options: argparse.Namespace, said: bool) -> run_view.View:
    if options.json:
        return run_view.Silent()
    if options.plain or not sys.stdout.isatty():
        return run_view.Plain(lambda line: print(line, flush=True), said=said)
    return run_view.Lines(Console(), said=said)
