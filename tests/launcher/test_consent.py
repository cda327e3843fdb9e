"""Consent: one use, ten minutes, and never one that somebody could use again."""

from __future__ import annotations

import json
import os
import stat

import pytest
from fake_clock import FakeClock, Killed, killed_at
from ibgatewaylib import consent


@pytest.fixture
def clock():
    return FakeClock()


def test_given_and_taken_once(tmp_path, clock):
    consent.grant(tmp_path, "anna", now=clock())
    file = tmp_path / "consent.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    given = {"by": "anna", "at": "2026-11-25T12:00:00.000Z", "expires": "2026-11-25T12:10:00.000Z"}
    assert consent.peek(tmp_path, clock()) == given
    assert consent.take(tmp_path, clock()) == given
    assert not file.exists()
    assert consent.take(tmp_path, clock()) is None


def test_none(tmp_path, clock):
    assert consent.peek(tmp_path, clock()) is None
    assert consent.take(tmp_path, clock()) is None


@pytest.mark.parametrize("seconds", [600, 1200])
def test_expired(tmp_path, clock, seconds):
    consent.grant(tmp_path, "anna", now=clock())
    clock.wait(seconds)
    assert consent.take(tmp_path, clock()) is None
    assert not (tmp_path / "consent.json").exists()


@pytest.mark.parametrize("step", [-86400, -1, 1, 86400])
def test_clock_steps_neither_end_nor_revive_it(tmp_path, clock, step):
    consent.grant(tmp_path, "anna", now=clock())
    clock.step(step)
    assert consent.peek(tmp_path, clock())
    clock.wait(600)
    assert consent.peek(tmp_path, clock()) is None


def test_a_reboot_ends_it(tmp_path, clock):
    consent.grant(tmp_path, "anna", now=clock())
    assert consent.take(tmp_path, clock.reboot(1)()) is None


@pytest.mark.parametrize("seconds", [0, -1, 601])
def test_no_other_length(tmp_path, clock, seconds):
    with pytest.raises(ValueError, match="holds from 1 to 600 seconds"):
        consent.grant(tmp_path, "anna", seconds, clock())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b"\xff",
        b"{}",
        b'{"by": "anna", "at": "2026-11-25T12:00:00Z", "expires": "2099-01-01T00:00:00Z"}',
        b" " * 5000,
    ],
)
def test_garbage_is_no_consent(tmp_path, clock, content):
    (tmp_path / "consent.json").write_bytes(content)
    assert consent.take(tmp_path, clock()) is None
    assert not (tmp_path / "consent.json").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seconds", 6000),
        ("seconds", True),
        ("seconds", "600"),
        ("uptime", 5000),
        ("uptime", None),
        ("boot", "boot-2"),
        ("by", ...),
    ],
)
def test_a_changed_field_is_no_consent(tmp_path, clock, key, value):
    consent.grant(tmp_path, "anna", now=clock())
    content = json.loads((tmp_path / "consent.json").read_text())
    content[key] = value
    if value is ...:
        del content[key]
    (tmp_path / "consent.json").write_text(json.dumps(content))
    assert consent.peek(tmp_path, clock()) is None


def test_one_that_cannot_be_removed_is_no_consent(tmp_path, clock, monkeypatch):
    consent.grant(tmp_path, "anna", now=clock())
    monkeypatch.setattr(os, "unlink", lambda _: (_ for _ in ()).throw(OSError(30, "read-only")))
    assert consent.take(tmp_path, clock()) is None


def test_killed_while_granting_leaves_all_or_nothing(tmp_path, clock, monkeypatch):
    for step in range(20):
        with monkeypatch.context() as patch:
            killed_at(patch, step)
            try:
                consent.grant(tmp_path, "anna", now=clock())
            except Killed:
                pass
            else:
                break
        assert consent.peek(tmp_path, clock()) in (None, consent.take(tmp_path, clock()))
    assert step > 4
