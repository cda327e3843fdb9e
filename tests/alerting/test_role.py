"""What the role gives the host: the program, its configuration, confined units, and few tasks."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePath
from typing import Any

import pytest
import render
import yaml
from ibgateway_alerting import settings
from ibgateway_alerting.notify import telegram_url
from ibgateway_alerting.notify.channels import MISSING
from render import loaded, section

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "alerting"
PACKAGE = ROLE / "files" / "ibgateway_alerting"
SECRET = "7000:Canary_token"
CHANNELS = [
    {"name": "phone", "url": f"tgram://{SECRET}/4711", "who": "Anna \U0001f469", "users": [4711]},
    {"name": "mail", "url": "mailtos://me:Canary@example.org", "severity": "action", "after_minutes": 20},
]
INSTANCES = [
    {"name": "live", "mode": "live", "username": "u", "password": "Canary", "api_port": 4001},
    {"name": "paper", "mode": "paper", "username": "v", "password": "Canary", "api_port": 4002},
]
NOTIFIER = "ibgateway-notify.service"
UNITS = ("ibgateway-watch.service", NOTIFIER, "ibgateway-digest.timer")
# What look.py says of a bare host.
BARE = {
    "files": {}, "compiled": True, "python": "python3.13", "venv": "", "environments": [], "users": {},
    "group": False, "enabled": [], "active": {}, "old": [],
}  # fmt: skip
NEEDS_SYSTEMD = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


class Role(render.Role):
    """The role's variables, as Ansible sees them."""

    def __init__(self, **variables: Any) -> None:
        known: dict[str, Any] = {
            "inventory_hostname": "vps1",
            "ibgateway_instances": INSTANCES,
            "ibc_timezone": "Europe/Zurich",
            "_alerting_look": {"stdout": json.dumps(variables.pop("host", BARE))},
            "alerting_channels": CHANNELS,
        }
        super().__init__("alerting", **known | variables)

    def units(self) -> dict[str, str]:
        """Return the units' texts by their names."""
        return {Path(unit["dest"]).name: unit["content"] for unit in self.value("_alerting_units")}

    def config(self, folder: Path) -> settings.Settings:
        """Return the configuration as the program reads it."""
        file = folder / "config.toml"
        file.write_text(self.value("_alerting_configuration")[0]["content"], encoding="utf-8")
        return settings.load(file)

    def refusal(self) -> str:
        """Return what preflight has against the variables, empty for nothing."""
        check, _ = loaded(ROLE / "tasks/preflight.yml")
        templar = self._templar.copy_with_new_env(
            available_variables=self._templar.available_variables | check["vars"]
        )
        body = check["ansible.builtin.assert"]
        return "" if templar.evaluate_conditional(body["that"]) else templar.template(body["fail_msg"])


@pytest.fixture(scope="module")
def units() -> dict[str, str]:
    return Role().units()


# --- the program ----------------------------------------------------------------------------------


def test_the_whole_package_reaches_the_host_and_nothing_else():
    wanted = {file["dest"]: file for file in Role().value("_alerting_programs")}
    home = "/opt/ibgateway-alerting"
    package = {path for path in wanted if path.startswith(f"{home}/ibgateway_alerting/")}
    there = {
        f"{home}/{file.relative_to(ROLE / 'files')}"
        for file in PACKAGE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert package == there
    assert {path for path in package if path.endswith(".toml")}
    assert set(wanted) - package == {
        f"{home}/ibgateway-watch",
        f"{home}/ibgateway-notify",
        f"{home}/ibgateway-digest",
        "/usr/local/share/doc/ibgateway/runbook.md",
    }
    assert wanted["/usr/local/share/doc/ibgateway/runbook.md"]["content"] == (
        ROOT / "docs/runbook.md"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("part", ["watch", "notify", "digest"])
def test_each_part_has_an_entry_point_that_is_there(part: str):
    (program,) = [
        file for file in Role().value("_alerting_programs") if file["dest"].endswith(f"/ibgateway-{part}")
    ]
    ast.parse(program["content"])
    assert program["mode"] == "0755"
    assert program["content"].startswith("#!/opt/ibgateway-alerting/venv/bin/python3 -I\n")
    assert f'"ibgateway_alerting.{part}.main"' in program["content"]
    main = ast.parse((PACKAGE / part / "main.py").read_text(encoding="utf-8"))
    assert "main" in {node.name for node in main.body if isinstance(node, ast.FunctionDef)}


def test_the_entry_point_is_valid_python_before_it_is_rendered():
    ast.parse((ROLE / "templates/program.py.j2").read_text(encoding="utf-8"))


def test_modules_that_are_gone_are_removed():
    role = Role(
        host=BARE
        | {"files": {"/opt/ibgateway-alerting/ibgateway_alerting/hush.py": ["x", "0644", "root:root"]}}
    )
    assert role.value("_alerting_differing['leftover']") == [
        "/opt/ibgateway-alerting/ibgateway_alerting/hush.py"
    ]


def test_the_environment_is_named_after_pins_and_python():
    first = Role().value("_alerting_venv")
    assert re.fullmatch(r"python3\.13-[0-9a-f]{12}", first)
    assert Role(host=BARE | {"python": "python3.14"}).value("_alerting_venv") == first.replace("3.13", "3.14")


def test_an_environment_that_was_left_beside_the_current_one_is_seen():
    current = Role().value("_alerting_venv")
    there = BARE | {"venv": current, "environments": ["python3.11-0123456789ab", current]}
    assert Role(host=there).value("_alerting_environments_left") == ["python3.11-0123456789ab"]


def test_another_python_still_has_the_packages_and_its_own_come_first(tmp_path: Path):
    (program,) = [
        file for file in Role().value("_alerting_programs") if file["dest"].endswith("/ibgateway-watch")
    ]
    own, old = (tmp_path / "venv/lib" / name / "site-packages" for name in ("python3.99", "python3.11"))
    for folder in (own, old):
        folder.mkdir(parents=True)
    start = program["content"].partition("\nprogram = ")[0]
    script = tmp_path / "start"
    there = f"import sys; sys.prefix = {str(tmp_path / 'venv')!r}; sys.path.append({str(own)!r})"
    script.write_text(f"{there}\n{start}\nprint(*sys.path, sep='\\n')")
    run = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-2:] == [str(own), str(old)]


def test_every_package_is_pinned_by_version_and_hash_and_names_no_host():
    text = (ROLE / "files/requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z])", re.sub(r"^ *#.*\n?", "", text, flags=re.MULTILINE).strip())
    assert len(entries) > 5
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[0-9.]+(post[0-9]+)? ", entry), entry
        assert entry.count("--hash=sha256:") >= 1


# --- the configuration ----------------------------------------------------------------------------


def test_the_configuration_is_what_the_program_reads(tmp_path: Path):
    found = Role().config(tmp_path)
    assert (found.host, found.instances, found.timezone) == ("vps1", ("live", "paper"), "Europe/Zurich")
    assert (found.metrics_port, found.digest, found.remind_friday) == (9464, "Sun 18:00", False)
    assert (found.remind_before_minutes, found.reminder_hours) == (15, 4)
    assert found.deadman_minutes == 0, "there is no address to fetch"
    assert found.channels == (
        settings.Channel("phone", "telegram", "info", 0, "Anna \U0001f469", (4711,)),
        settings.Channel("mail", "apprise", "action", 20, "", ()),
    )


def test_what_the_operator_sets_is_what_the_program_reads(tmp_path: Path):
    found = Role(
        alerting_channels=[], alerting_timezone="Asia/Tokyo", alerting_metrics_port=0, alerting_digest="",
        alerting_remind_before_minutes=30, alerting_remind_friday=True, alerting_reminder_hours=1,
        alerting_deadman_url="https://hc.example.org/x", alerting_deadman_minutes=7,
    ).config(tmp_path)  # fmt: skip
    assert (found.channels, found.timezone, found.metrics_port, found.digest) == ((), "Asia/Tokyo", 0, "")
    assert (found.remind_before_minutes, found.remind_friday, found.reminder_hours) == (30, True, 1)
    assert found.deadman_minutes == 7


def test_secrets_are_in_the_credential_alone():
    role = Role(alerting_deadman_url="https://hc.example.org/Canary")
    assert role.value("alerting_channels | alerting_secrets(alerting_deadman_url)") == [
        {"name": "phone", "url": CHANNELS[0]["url"]},
        {"name": "mail", "url": CHANNELS[1]["url"]},
        {"name": "deadman", "url": "https://hc.example.org/Canary"},
    ]
    written = role.value("_alerting_configuration + _alerting_units + _alerting_programs")
    assert [file["dest"] for file in written if "Canary" in file["content"]] == []
    for step in ("install", "configure", "service"):
        for task in yaml.safe_load((ROLE / f"tasks/{step}.yml").read_text(encoding="utf-8")):
            if "alerting_channels |" in str(task) or "_url" in str(task):
                assert task["no_log"] is True, task["name"]


def test_the_configuration_is_checked_by_the_program_before_it_is_put_in_place(tmp_path: Path):
    config, _ = Role().value("_alerting_configuration")
    command = config["validate"].replace("/opt/ibgateway-alerting", str(ROLE / "files"))
    command = command.replace("/usr/local/lib/ibgateway", str(ROOT / "roles/ibc/files"))
    command = command.replace("/usr/bin/python3", sys.executable)
    file = tmp_path / "config.toml"
    for text, code in ((config["content"], 0), (config["content"].replace("9464", "-1"), 1)):
        file.write_text(text, encoding="utf-8")
        done = subprocess.run(["sh", "-c", command % file], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr


# --- what is refused ------------------------------------------------------------------------------


def channel(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "mail", "url": "mailto://Canary@example.org"} | changes]


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ("nobody", "alerting_channels must be a list"),
        ([{"url": "json://Canary"}], "Entry 1 of alerting_channels has no name"),
        (channel(name="My mail"), "'My mail' of alerting_channels: its name must be at most 31"),
        (channel(name="deadman"), "be neither of journal, deadman"),
        (channel(url="Canary"), "url must be an Apprise address"),
        (channel(url=None), "url must be an Apprise address"),
        (channel(url="tgram://Canary/1"), "url must be tgram://BOT_TOKEN/CHAT_ID"),
        (channel(url=f"tgram://{SECRET}/1/2"), "the id of one chat"),
        (channel(severity="loud"), "severity must be one of info, warning, action, critical, not 'loud'"),
        (channel(after_minutes=-1), "after_minutes must be a whole number from 0 to 10080, not '-1'"),
        (channel(after_minutes=1.5), "after_minutes must be a whole number"),
        (channel(who="two\nlines"), "who must be a name on one line"),
        (channel(users=[1]), "users are for Telegram"),
        (channel(url=f"tgram://{SECRET}/1", users=["@anna"]), "users must be a list of Telegram user ids"),
        (channel(url=f"tgram://{SECRET}/1", users=[True]), "users must be a list of Telegram user ids"),
        (channel(url=f"tgram://{SECRET}/1", users=4711), "users must be a list of Telegram user ids"),
        (channel(url=f"tgram://{SECRET}/-100", users=[1]), "buttons are for a private chat"),
        (channel(severty="info"), "unknown key 'severty'"),
        (channel() + channel(), "Two channels of alerting_channels are called 'mail'"),
    ],
)
def test_wrong_channels_are_refused_without_a_word_of_their_urls(channels: Any, said: str):
    refusal = Role(alerting_channels=channels).refusal()
    assert said in refusal
    assert "Canary" not in refusal


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"alerting_timezone": "CET"},
            "alerting_timezone (ibc_timezone, where it is empty) must be the full",
        ),
        ({"ibc_timezone": "Zurich"}, "write Europe/Zurich"),
        ({"alerting_digest": "18:00"}, "alerting_digest must be a day and a time"),
        ({"alerting_digest": "Son 18:00"}, "alerting_digest must begin with a weekday"),
        ({"alerting_digest": "Sun 25:00"}, "alerting_digest must be"),
        ({"alerting_metrics_port": 70000}, "alerting_metrics_port must be a whole number from 0 to 65535"),
        ({"alerting_metrics_port": 4001}, "alerting_metrics_port 4001 is a port of an instance"),
        ({"alerting_metrics_port": "5900"}, "alerting_metrics_port 5900 is a port of an instance"),
        ({"alerting_reminder_hours": 0}, "alerting_reminder_hours must be a whole number from 1 to 168"),
        ({"alerting_remind_before_minutes": "soon"}, "alerting_remind_before_minutes must be a whole number"),
        ({"alerting_remind_friday": "maybe"}, "alerting_remind_friday must be true or false"),
        ({"alerting_deadman_minutes": True}, "alerting_deadman_minutes must be a whole number"),
        ({"alerting_deadman_url": "Canary"}, "alerting_deadman_url must be an http or https address"),
    ],
)
def test_wrong_settings_are_refused(variables: dict[str, Any], said: str):
    refusal = Role(**variables).refusal()
    assert said in refusal
    assert "Canary" not in refusal


def test_several_problems_are_told_at_once():
    refusal = Role(
        alerting_channels=channel(severity="loud", after_minutes=-1), alerting_digest="x"
    ).refusal()
    assert len(refusal.splitlines()) == 3


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"alerting_channels": []},
        {"alerting_channels": channel(url=f"tgram://{SECRET}/-100123?api=http://127.0.0.1:9098")},
        {"alerting_digest": "", "alerting_metrics_port": 0, "alerting_deadman_minutes": 0},
        {"alerting_metrics_port": "9999", "alerting_deadman_url": "http://127.0.0.1:1/a?b=c"},
    ],
)
def test_good_variables_are_not_refused(variables: dict[str, Any]):
    assert Role(**variables).refusal() == ""


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        (CHANNELS, []),
        ([], ["alerting_channels is empty"]),
        (CHANNELS[:1], ["Telegram is the only channel"]),
        ([CHANNELS[0] | {"users": []}, *channel()], ["'phone' names no users"]),
        (channel(severity="critical"), ["No channel gets everything at once"]),
        (channel(after_minutes=5), ["No channel gets everything at once"]),
    ],
)
def test_what_is_allowed_and_yet_unwise_is_said(channels: Any, said: list[str]):
    warnings = Role(alerting_channels=channels).value("alerting_channels | alerting_warnings")
    assert len(warnings) == len(said)
    assert all(words in warning for words, warning in zip(said, warnings, strict=True))


# --- units ----------------------------------------------------------------------------------------

CONFINED = {
    "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes",
    "PrivateDevices": "yes", "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes", "SystemCallArchitectures": "native", "ProtectProc": "invisible",
    "UMask": "0007", "Group": "ibgateway-alerting",
}  # fmt: skip


def test_every_service_is_confined(units: dict[str, str]):
    services = {name for name in units if name.endswith(".service")}
    assert len(services) == 4
    for name in services:
        service = section(units[name], "Service")
        assert {key: service.get(key, [""])[0] for key in CONFINED} == CONFINED, name
        assert service["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
        assert service["User"][0] in ("ibgateway-watch", "ibgateway-notify")


def test_the_watcher_reaches_loopback_only_and_gets_no_secret(units: dict[str, str]):
    service = section(units["ibgateway-watch.service"], "Service")
    assert (service["IPAddressDeny"], service["IPAddressAllow"]) == (["any"], ["localhost"])
    assert (service["Type"], service["WatchdogSec"], service["MemoryMax"]) == (["notify"], ["30"], ["96M"])
    assert service["SupplementaryGroups"] == ["ibgateway"]
    assert (service["StateDirectory"], service["StateDirectoryMode"]) == (["ibgateway-alerting"], ["2770"])
    assert service["InaccessiblePaths"] == [
        f"-/etc/ibgateway/{name}/credentials -/var/lib/ibgateway/{name}/settings"
        for name in ("live", "paper")
    ]
    for name in ("ibgateway-watch.service", "ibgateway-digest.service"):
        assert "LoadCredential" not in units[name]
    assert section(units["ibgateway-digest.service"], "Service")["PrivateNetwork"] == ["yes"]


@pytest.mark.parametrize("name", ["ibgateway-notify.service", "ibgateway-test-alert.service"])
def test_who_talks_to_the_internet_sees_nothing_of_gateway(units: dict[str, str], name: str):
    service = section(units[name], "Service")
    assert service["User"] == ["ibgateway-notify"]
    assert "SupplementaryGroups" not in service
    assert service["LoadCredentialEncrypted"] == ["channels:/etc/ibgateway-alerting/channels.cred"]
    hidden = set(service["InaccessiblePaths"][0].split())
    assert {"-/etc/ibgateway", "-/run/ibgateway", "-/var/lib/ibgateway", "-/opt/ibgateway"} <= hidden
    assert service["ReadWritePaths"] == ["/var/lib/ibgateway-alerting"]


def test_both_processes_never_give_up_but_for_a_wrong_configuration(units: dict[str, str]):
    for name in ("ibgateway-watch.service", NOTIFIER):
        assert section(units[name], "Unit")["StartLimitIntervalSec"] == ["0"]
        service = section(units[name], "Service")
        assert (service["Restart"], service["RestartPreventExitStatus"]) == (["always"], ["78"])
        assert section(units[name], "Install") == {"WantedBy": ["multi-user.target"]}


def test_the_digest_comes_at_the_operators_hour(units: dict[str, str]):
    timer = section(units["ibgateway-digest.timer"], "Timer")
    assert timer["OnCalendar"] == ["Sun *-*-* 18:00:00 Europe/Zurich"]
    other = Role(alerting_digest="Mon 07:05", alerting_timezone="America/New_York").units()
    calendar = section(other["ibgateway-digest.timer"], "Timer")["OnCalendar"]
    assert calendar == ["Mon *-*-* 07:05:00 America/New_York"]


def test_without_a_digest_its_timer_goes():
    assert "ibgateway-digest.timer" not in Role(alerting_digest="").units()
    timer = "/etc/systemd/system/ibgateway-digest.timer"
    host = BARE | {"files": {timer: ["x", "0644", "root:root"]}}
    assert Role(alerting_digest="", host=host).value("_alerting_timer_is_leftover") is True
    assert Role(host=host).value("_alerting_timer_is_leftover") is False
    assert Role(alerting_digest="").value("_alerting_timer_is_leftover") is False


@NEEDS_SYSTEMD
def test_systemd_knows_every_line_of_the_units(units: dict[str, str], tmp_path: Path):
    # The programs are not on this machine; a warning names any unknown key.
    for name, text in units.items():
        (tmp_path / name).write_text(re.sub(r"/opt/ibgateway-alerting/ibgateway-[a-z]+", "/bin/true", text))
    command = ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in result.stderr.splitlines() if "ibgateway" in line]
    assert (result.returncode, ours) == (0, [])


# --- what the watcher may ask for -----------------------------------------------------------------


def watcher_may(unit: str, verb: str) -> bool:
    """What the rule says, its pattern and verb read from the rule itself."""
    rule = (ROLE / "files/51-ibgateway-watch.rules").read_text(encoding="utf-8")
    assert rule.count("Result.YES") == 1
    pattern, allowed = re.search(r'if \(/(.+)/\.test\(unit\) && verb === "(\w+)"\)', rule).groups()
    return bool(re.search(pattern, unit)) and verb == allowed


@pytest.mark.parametrize("act", ["consent", "restart-soft", "reset"])
def test_the_watcher_may_start_the_units_it_acts_through(act: str):
    assert watcher_may(f"ibgateway-{act}@live.service", "start")
    for verb in ("stop", "restart", "kill", "reload", "set-property"):
        assert not watcher_may(f"ibgateway-{act}@live.service", verb)


@pytest.mark.parametrize(
    "unit",
    [
        "ibgateway@live.service", "ibgateway-pause@live.service", "ibgateway-budget-reset@live.service",
        "ibgateway-login@live.service", "ibgateway-cycle@live.service", "ibgateway-vnc@live.service",
        "ibgateway-watch.service", "ibgateway-consent@.service", "ibgateway-consent@../x.service",
        "xibgateway-consent@live.service", "ibgateway-consent@live.service.d", "ssh.service",
    ],
)  # fmt: skip
def test_the_watcher_may_start_nothing_else(unit: str):
    assert not watcher_may(unit, "start")


def test_the_rule_asks_for_the_user_and_the_action_first():
    rule = (ROLE / "files/51-ibgateway-watch.rules").read_text(encoding="utf-8")
    head = rule[: rule.index("Result.YES")]
    assert 'action.id !== "org.freedesktop.systemd1.manage-units"' in head
    assert 'subject.user !== "ibgateway-watch"' in head


def unusable(status: str) -> list[str]:
    """What the role finds in the notifier's status text."""
    (check,) = loaded(ROLE / "tasks/check.yml")
    expression = check["vars"]["_alerting_unusable"].strip().removeprefix("{{").removesuffix("}}")
    (asked,) = {
        tuple(role.value(expression))
        for role in (
            Role(_alerting_status={"stdout": status}),
            # Not asked: the look at the host has it.
            Role(host=BARE | {"active": {NOTIFIER: status}}),
        )
    }
    return list(asked)


@pytest.mark.parametrize("url", ["TGRAM://1:a/1", "tgram://x/1", "tgram://1:a/b", "tgram://1:a/1?x=y"])
def test_a_channel_the_notifier_cannot_use_ends_the_run(url: str):
    with pytest.raises(ValueError, match=r"^its url") as refused:
        telegram_url.parse(url)
    for words in (str(refused.value), MISSING):
        found = unusable(f"telling mail; phone failing since 09:30 CET: {words}; mail failing since …")
        assert found == [f"phone failing since 09:30 CET: {words}"]
    assert (
        len(unusable(f"telling nobody: no channel is usable; phone failing since 09:30 CET: {MISSING}")) == 1
    )


def test_a_channel_that_only_fails_now_is_no_fault_of_the_run():
    assert unusable("telling phone; phone failing since 09:30 CET: no connection") == []


# --- the role itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [None, 0, 1, 2])
def test_the_watcher_is_started_before_the_notifier_which_needs_its_directory(up: int | None):
    units = list(UNITS)
    runs = [] if up is None else [units[up]]
    role = Role(host=BARE | {"enabled": units, "active": dict.fromkeys(runs, "")})
    assert role.value("_alerting_down") == [unit for unit in units if unit not in runs]


def test_a_run_that_changes_nothing_asks_the_host_two_things():
    """Remote tasks that neither loop over differences nor have a condition that such a run does not meet."""
    here = {"assert", "debug", "meta", "set_fact"}
    remote = [
        task["name"]
        for name in ("preflight", "install", "configure", "service", "check")
        for task in yaml.safe_load((ROLE / "tasks" / f"{name}.yml").read_text(encoding="utf-8"))
        if not {"loop", "when", *(f"ansible.builtin.{module}" for module in here)} & task.keys()
    ]
    assert remote == [
        "Look at the host",
        "Hand the channels to the notifier, encrypted",
    ]


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """What look.py says of a host as it shall be."""
    bare = Role()
    files = {
        file["dest"]: [_sha256(file["content"]), file["mode"], file["owner"]]
        for file in bare.value("_alerting_programs + _alerting_configuration + _alerting_units")
    }
    files |= {
        place["dest"]: ["directory", place["mode"], place["owner"]]
        for place in bare.value("_alerting_directories")
    }
    users = {user: ["root", *groups] for user, groups in bare.value("_alerting_users").items()}
    venv = bare.value("_alerting_venv")
    return BARE | {
        "files": files,
        "venv": venv,
        "environments": [venv],
        "users": users,
        "group": True,
        "enabled": bare.value("_alerting_started"),
        "active": dict.fromkeys(bare.value("_alerting_started"), "telling phone"),
    }


PARTS = ("install", "configure", "service")


def included(host: dict[str, Any], **more: Any) -> list[str]:
    """The task files that a run needs; `more` are further variables."""
    known = {
        "_alerting_differs": Role(host=host).value("_alerting_differing"),
        "_alerting_checks_later": True,
    }
    return Role(host=host, **known | more).included(*PARTS)


def test_a_host_as_it_shall_be_needs_nothing(good: dict[str, Any]):
    assert included(good) == []


def test_alone_the_role_checks_the_channels_itself(good: dict[str, Any]):
    assert included(good, _alerting_checks_later=False) == ["check.yml"]


def test_the_notifier_is_asked_anew_once_it_was_started(good: dict[str, Any]):
    assert included(good, _alerting_renewed={"changed": True}) == ["ask.yml"]
    assert included(good | {"active": {}}) == ["run.yml", "ask.yml"]


def test_a_bare_host_needs_everything():
    assert included(BARE) == [
        "accounts.yml",
        "environment.yml",
        "program.yml",
        "units.yml",
        "run.yml",
        "ask.yml",
    ]


@pytest.mark.parametrize(
    ("host", "file"),
    [
        ({"group": False}, "accounts.yml"),
        ({"users": {"ibgateway-watch": ["ibgateway", "ibgateway-alerting"]}}, "accounts.yml"),
        ({"venv": "python3.11-0"}, "environment.yml"),
        ({"environments": ["python3.11-0"]}, "environment.yml"),
        ({"compiled": False}, "program.yml"),
        ({"enabled": ["ibgateway-watch.service", NOTIFIER]}, "run.yml"),
        ({"old": ["/etc/ibgateway-watch"]}, "run.yml"),
        # It is there, and has not said anything yet.
        ({"active": dict.fromkeys(UNITS, "")}, "ask.yml"),
    ],
)
def test_what_differs_is_seen_to(good: dict[str, Any], host: dict[str, Any], file: str):
    assert included(good | host) == [file]


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/opt/ibgateway-alerting", "accounts.yml"),
        ("/opt/ibgateway-alerting/ibgateway_alerting/store.py", "program.yml"),
        ("/opt/ibgateway-alerting/ibgateway_alerting/gone.py", "program.yml"),
        ("/usr/local/share/doc/ibgateway/runbook.md", "program.yml"),
        ("/etc/systemd/system/ibgateway-watch.service", "units.yml"),
    ],
)
def test_a_file_that_differs_is_seen_to(good: dict[str, Any], path: str, file: str):
    files = good["files"] | {path: ["x", "0644", "root:root"]}
    assert included(good | {"files": files}) == [file]


def test_the_look_at_the_host_finds_whatever_the_role_puts_there(good: dict[str, Any]):
    role = Role()
    package = f"{role.value('_alerting_package')}/"
    patterns = role.value("_alerting_questions")["files"]
    paths = [path for path in good["files"] if not path.startswith(package)]
    assert [path for path in paths if not any(PurePath(path).match(item) for item in patterns)] == []


def test_a_host_as_it_shall_be_has_no_differences(good: dict[str, Any]):
    done = Role(host=good)
    assert done.value("_alerting_differing") == {
        "programs": [],
        "configuration": [],
        "units": [],
        "leftover": [],
    }
    assert done.value("_alerting_directories_differing") == []
    assert Role().value("_alerting_directories_differing") == [
        "/opt/ibgateway-alerting",
        "/etc/ibgateway-alerting",
    ]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_what_an_earlier_release_left_is_removed():
    assert Role().value("_alerting_questions")["old"] == [
        "/etc/ibgateway-watch",
        "/var/lib/ibgateway-watch",
        "/opt/ibgateway-alerting/ibgateway_watch",
    ]
