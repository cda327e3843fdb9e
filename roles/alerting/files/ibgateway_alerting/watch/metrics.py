"""The watcher's numbers for Prometheus, on 127.0.0.1. docs/metrics.md explains each; METRICS is the list.

The main loop writes a snapshot, the server's thread reads the last one: neither waits for the other.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibgatewaylib.ctl_host import CtlError
from ibgatewaylib.fingerprint import sha256
from ibgatewaylib.instance import Instance

from ..model import Incident
from ..settings import Settings
from . import reminders
from .view import HostView, InstanceView

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
EVERY = 5.0
"""Seconds between two snapshots."""
SERVE_AGAIN = 60.0
"""Seconds between two attempts to get the port."""
CALENDAR_AGAIN = 3600.0
STATES = (
    "starting", "deferred", "login", "two_factor", "ready", "stopping", "stopped", "parked", "failed",
    "unknown",
)  # fmt: skip
STAGES = ("ok", "port", "handshake", "ready", "time", "incompatible", "client_id", "unknown")
COUNTED = {
    "login_submitted": "ibgateway_logins_total",
    "two_factor_waiting": "ibgateway_pushes_total",
    "two_factor_answered": "ibgateway_taps_total",
    "two_factor_missed": "ibgateway_pushes_missed_total",
    "token_restart": "ibgateway_token_restarts_total",
    "crashed": "ibgateway_crashes_total",
    "stuck": "ibgateway_stuck_total",
}
"""The events that are counted since the watcher started."""


@dataclass(frozen=True)
class Metric:
    """One metric: its kind (gauge or counter), its help, its labels."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()


GATEWAY = "gateway"
"""The label that names an instance: `instance` is Prometheus' own word for what it scrapes."""
_OF = (GATEWAY,)
METRICS = {
    "ibgateway_state": Metric(
        "gauge", "1 for the state an instance is in, 0 for the others.", (GATEWAY, "state")
    ),
    "ibgateway_up": Metric(
        "gauge", "1 while an instance is ready, its API answers and its link to IBKR is not down.", _OF
    ),
    "ibgateway_probe_stage": Metric(
        "gauge",
        "1 for what the API probe found: ok, or the first stage that fails; 0 for the others.",
        (GATEWAY, "stage"),
    ),
    "ibgateway_link_up": Metric(
        "gauge", "1 while Gateway's link to IBKR is up, 0 while it is down; missing while unknown.", _OF
    ),
    "ibgateway_ready_seconds_total": Metric(
        "counter", "Seconds for which an instance was ready since the watcher started.", _OF
    ),
    "ibgateway_logins_total": Metric("counter", "Logins submitted to IBKR since the watcher started.", _OF),
    "ibgateway_pushes_total": Metric("counter", "IB Key requests sent since the watcher started.", _OF),
    "ibgateway_taps_total": Metric("counter", "IB Key requests answered since the watcher started.", _OF),
    "ibgateway_pushes_missed_total": Metric(
        "counter", "IB Key requests missed since the watcher started.", _OF
    ),
    "ibgateway_token_restarts_total": Metric(
        "counter", "Restarts without a tap since the watcher started.", _OF
    ),
    "ibgateway_crashes_total": Metric("counter", "Unplanned ends of Gateway since the watcher started.", _OF),
    "ibgateway_stuck_total": Metric(
        "counter", "Runs that the launcher ended as stuck since the watcher started.", _OF
    ),
    "ibgateway_login_budget_left": Metric(
        "gauge", "Logins that the budget still allows; missing while unknown.", _OF
    ),
    "ibgateway_last_login_timestamp_seconds": Metric("gauge", "When the last complete login was.", _OF),
    "ibgateway_last_event_timestamp_seconds": Metric("gauge", "When the last event happened.", _OF),
    "ibgateway_next_appointment_timestamp_seconds": Metric(
        "gauge", "When the next planned restart or weekly login is.", (GATEWAY, "appointment")
    ),
    "ibgateway_incidents_open": Metric(
        "gauge", "Open incidents; the host's own have no gateway.", (GATEWAY, "kind", "severity")
    ),
    "ibgateway_outbox_waiting_messages": Metric("gauge", "Messages that wait to be delivered.", ("channel",)),
    "ibgateway_outbox_oldest_timestamp_seconds": Metric(
        "gauge", "When the oldest message that waits was queued; missing when none waits.", ("channel",)
    ),
    "ibgateway_channel_failing": Metric("gauge", "1 while a channel delivers nothing.", ("channel",)),
    "ibgateway_reset_windows_age_seconds": Metric(
        "gauge", "How long ago somebody compared the reset windows with IBKR's page."
    ),
    "ibgateway_watch_snapshot_timestamp_seconds": Metric("gauge", "When the watcher wrote these numbers."),
    "ibgateway_watch_build_info": Metric("gauge", "1; which program this is.", ("program", "python")),
}
"""Every metric, by its name."""

Sample = tuple[str, tuple[str, ...], float]


class Metrics:
    """Collects the numbers in the main loop, and serves them from a thread of its own."""

    def __init__(self, settings: Settings, instances: Mapping[str, Instance]) -> None:
        """Prepare; nothing is served before the first `update`.

        Args:
            settings: names the port; with 0 nothing is served, and prometheus_client is not even imported.
            instances: each instance as configured, by name.
        """
        self._settings = settings
        self._instances = instances
        self._counts = {(name, kind): 0 for name in instances for kind in COUNTED}
        self._ready = dict.fromkeys(instances, 0.0)
        self._was_ready: set[str] = set()
        self._updated: float | None = None
        self._calendar: list[Sample] = []
        self._calendar_at: float | None = None
        self._serve_at = 0.0
        self._server: Any = None
        self._thread: Any = None
        self._build: Sample | None = None
        self._snapshot: tuple[Sample, ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether anybody wants the numbers."""
        return self._settings.metrics_port != 0

    def event(self, instance: str, kind: str) -> None:
        """Count an event, once it is on disk that it was handled.

        Args:
            instance: whose.
            kind: the event's type.
        """
        if (instance, kind) in self._counts:
            self._counts[instance, kind] += 1

    def due(self, now: float) -> bool:
        """Whether `update` has something to do."""
        return self.wanted and (self._updated is None or not 0 <= now - self._updated < EVERY)

    def update(
        self,
        now: float,
        views: Mapping[str, InstanceView],
        host: HostView,
        incidents: Iterable[Incident],
        backlog: Mapping[str, tuple[int, float]],
    ) -> None:
        """Write a snapshot, and serve it if that is not done yet.

        Args:
            now: seconds since the epoch.
            views: what is known of each instance, by name.
            host: what is known of the machine.
            incidents: the open ones.
            backlog: as `Store.backlog` gives it.
        """
        self._add_ready(now, views)
        samples = [
            *self._of_instances(views),
            *self._of_messages(host, incidents, backlog),
            *self._of_calendar(now),
            ("ibgateway_watch_snapshot_timestamp_seconds", (), now),
        ]
        # One assignment: the other thread sees the old numbers or the new ones, never both.
        self._snapshot = tuple(samples)
        self._updated = now
        if self._server is None and not 0 <= self._serve_at - now <= SERVE_AGAIN:
            self._serve(now)

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    # --- what prometheus_client calls, in its thread ------------------------------------------------------

    def describe(self) -> list:
        """Nothing: what there is depends on the instances."""
        return []

    def collect(self) -> Iterator[Any]:
        """The numbers of the last snapshot."""
        from .prometheus import CounterMetricFamily, GaugeMetricFamily

        families = {}
        build = (self._build,) if self._build else ()
        for name, labels, value in (*self._snapshot, *build):
            if name not in families:
                metric = METRICS[name]
                family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                families[name] = family(name, metric.help, labels=metric.labels)
            families[name].add_metric(labels, value)
        yield from families.values()

    # --- the numbers --------------------------------------------------------------------------------------

    def _add_ready(self, now: float, views: Mapping[str, InstanceView]) -> None:
        passed = 0.0 if self._updated is None else max(0.0, now - self._updated)
        for name in self._was_ready:
            self._ready[name] += passed
        self._was_ready = {name for name, view in views.items() if view.ready and name in self._ready}

    def _of_instances(self, views: Mapping[str, InstanceView]) -> Iterator[Sample]:
        for name, view in views.items():
            up = view.ready and view.probe in ("ok", "unknown") and view.link != "down"
            yield "ibgateway_up", (name,), float(up)
            for state in STATES:
                yield "ibgateway_state", (name, state), float(view.state == state)
            for stage in STAGES:
                yield "ibgateway_probe_stage", (name, stage), float(view.probe == stage)
            if view.link in ("up", "down"):
                yield "ibgateway_link_up", (name,), float(view.link == "up")
            yield "ibgateway_ready_seconds_total", (name,), self._ready.get(name, 0.0)
            for kind, metric in COUNTED.items():
                yield metric, (name,), float(self._counts.get((name, kind), 0))
            if view.budget_left is not None:
                yield "ibgateway_login_budget_left", (name,), float(view.budget_left)
            if view.last_login is not None:
                yield "ibgateway_last_login_timestamp_seconds", (name,), view.last_login
            if view.recent:
                yield "ibgateway_last_event_timestamp_seconds", (name,), float(view.recent[-1]["time"])

    def _of_messages(
        self, host: HostView, incidents: Iterable[Incident], backlog: Mapping[str, tuple[int, float]]
    ) -> Iterator[Sample]:
        for one in incidents:
            yield "ibgateway_incidents_open", (one.instance, one.kind, one.severity), 1.0
        for channel in self._settings.channels:
            count, oldest = backlog.get(channel.name, (0, None))
            yield "ibgateway_outbox_waiting_messages", (channel.name,), float(count)
            if oldest is not None:
                yield "ibgateway_outbox_oldest_timestamp_seconds", (channel.name,), oldest
            yield "ibgateway_channel_failing", (channel.name,), float(channel.name in host.failing)

    def _of_calendar(self, now: float) -> list[Sample]:
        passed = any(at <= now for name, _, at in self._calendar if "appointment" in name)
        if self._calendar_at is None or passed or not 0 <= now - self._calendar_at < CALENDAR_AGAIN:
            self._calendar = list(self._look_at_calendar(now))
            self._calendar_at = now
        return self._calendar

    def _look_at_calendar(self, now: float) -> Iterator[Sample]:
        for name, instance in self._instances.items():
            for kind, at in reminders.appointments(instance, now).items():
                yield "ibgateway_next_appointment_timestamp_seconds", (name, kind), at
        try:
            age = reminders.windows_age_days(self._settings.etc_root, now)
        except CtlError as error:
            log.warning("the age of the reset windows is not known: %s", error)
        else:
            yield "ibgateway_reset_windows_age_seconds", (), age * 86400.0

    # --- the server ---------------------------------------------------------------------------------------

    def _serve(self, now: float) -> None:
        # Only now: it costs some MiB, which a host without metrics keeps.
        from .prometheus import CollectorRegistry, start_http_server

        if self._build is None:
            labels = (program_fingerprint(), platform.python_version())
            self._build = ("ibgateway_watch_build_info", labels, 1.0)
        # A registry of our own: the default one adds the process's and the garbage collector's numbers.
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(self._settings.metrics_port, ADDRESS, registry)
        except OSError as error:
            if not self._serve_at:
                log.warning(
                    "metrics cannot be served on %s:%d (%s): change alerting_metrics_port; trying again",
                    ADDRESS, self._settings.metrics_port, error.strerror,
                )  # fmt: skip
            self._serve_at = now + SERVE_AGAIN
            return
        log.info("metrics on http://%s:%d/metrics", ADDRESS, self._settings.metrics_port)


def program_fingerprint() -> str:
    """Which program this is: 12 digits that are the same on two hosts exactly when its files are."""
    package = Path(__file__).resolve().parents[1]
    digest = sha256()
    for file in sorted(package.rglob("*")):
        if file.suffix in (".py", ".toml"):
            digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
