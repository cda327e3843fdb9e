"""The API probe against real sockets, on a fake clock: all the ways in which an open port was not healthy."""

from __future__ import annotations

import errno
import selectors
import socket
from collections.abc import Callable, Iterator

import pytest
from fake_tws import FARMS_FINE, FakeTws
from ibgateway_alerting.observation import SAY_AGAIN, Observation
from ibgateway_alerting.watch import probe as probing
from ibgateway_alerting.watch.connection import Connection
from ibgateway_alerting.watch.probe import CLIENT_IDS, Probe

STEP = 0.2
"""Seconds between two turns of the watcher's loop."""
LOST = (1100, "Connectivity between IBKR and Trader Workstation has been lost.")
BACK = (
    1102,
    "Connectivity between IBKR and TWS has been restored. All data farms are connected: a; b.",
)
BACK_LOST = (1101, "Connectivity between IBKR and Trader Workstation has been restored - data lost.")
BROKEN = (
    2110,
    "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
)
FARM_BROKEN = (2103, "Market data farm connection is broken:usfarm.nj")
FARM_FINE = (2104, "Market data farm connection is OK:usfarm.nj")
HISTORY_BROKEN = (2105, "HMDS data farm connection is broken:ushmds")
HISTORY_IDLE = (2107, "HMDS data farm connection is inactive but should be available upon demand.ushmds")


class World:
    """A probe, a server and a clock that go step by step."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.tws = FakeTws()
        self.selector = selectors.DefaultSelector()
        self.probe = Probe("live", self.tws.port, evidence=lambda port: f"evidence of {port}")
        self.probe.register(self.selector)
        self.seen: list[Observation] = []

    def turn(self) -> None:
        """One turn of the loop, in which everybody says all he has to say."""
        for _ in range(8):
            self.tws.pump()
            for key, mask in self.selector.select(0):
                key.data.ready(key, mask, self.clock())
        self.seen += self.probe.tick(self.clock())

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let so much time pass, or less."""
        end = self.clock() + seconds
        while self.clock() < end - STEP / 2 and not until():
            self.clock.advance(STEP)
            self.turn()

    def wanted(self) -> World:
        self.probe.want(True, self.clock())
        self.turn()
        return self

    def healthy(self) -> World:
        self.wanted().run(2, lambda: self.values("probe") == ["ok"])
        assert self.values("probe") == ["ok"]
        self.seen.clear()
        return self

    def values(self, what: str) -> list:
        return [seen.value for seen in self.seen if seen.what == what]

    def last(self, what: str) -> Observation:
        return [seen for seen in self.seen if seen.what == what][-1]

    def when(self, value: str, within: float) -> float:
        """Run until the probe says so; return after how many seconds."""
        began = self.clock()
        self.run(within, lambda: value in self.values("probe"))
        assert self.values("probe")[-1:] == [value], f"not {value} within {within} s"
        return self.clock() - began

    def close(self) -> None:
        self.probe.close()
        self.selector.close()
        self.tws.stop()


@pytest.fixture
def world(clock) -> Iterator[World]:
    made = World(clock)
    yield made
    made.close()


def test_nothing_is_connected_before_it_is_wanted(world):
    world.run(5)
    assert world.seen == []
    assert world.tws.connections == 0


def test_a_healthy_gateway_is_asked_the_time_on_one_connection(world):
    world.wanted().run(1)
    assert (world.values("probe"), world.values("link"), world.values("farm")) == (["ok"], ["up"], [()])
    world.run(120)
    assert world.tws.connections == 1
    assert world.tws.seen == [CLIENT_IDS[0]]
    assert 11 <= world.tws.clients[0].asked <= 13
    assert world.values("probe") == ["ok"] * 3, "said again once a minute, and no more"


def test_a_gateway_without_codes_is_healthy_and_its_link_unknown(world):
    world.tws.codes = ()
    world.wanted().run(1)
    assert (world.values("probe"), world.values("link")) == (["ok"], [])


def test_nobody_listens(world):
    world.tws.stop()
    world.wanted()
    world.turn()
    seen = world.last("probe")
    assert (seen.value, seen.instance) == ("port", "live")
    assert seen.text == f"nothing listens on the port; evidence of {world.tws.port}"


def test_a_gateway_that_accepts_and_never_answers(world):
    world.tws.mute = True
    assert world.wanted().when("time", 10) == pytest.approx(5, abs=0.5)
    assert world.last("probe").text.startswith("no answer within 5 s to the handshake; ")


def test_a_silent_connection_is_kept_and_answers_when_gateway_wakes_up(world):
    world.tws.mute = True
    world.wanted().when("time", 10)
    world.run(10)
    world.tws.mute = False
    assert world.when("ok", 2) < 1
    assert world.tws.connections == 1


def test_a_silent_gateway_is_not_buried_under_connections(world):
    world.tws.mute = True
    world.wanted().run(300)
    assert 8 <= world.tws.connections <= 13


def test_a_gateway_whose_queue_is_full(clock):
    with FullQueue() as port:
        selector = selectors.DefaultSelector()
        probe = Probe("live", port)
        probe.register(selector)
        probe.want(True, clock())
        seen = probe.tick(clock())
        for _ in range(20):
            clock.advance(STEP)
            for key, mask in selector.select(0):
                key.data.ready(key, mask, clock())
            seen = seen or probe.tick(clock())
        probe.close()
        selector.close()
    assert [(one.value, one.text) for one in seen] == [
        ("port", "no answer within 2 s to the connection attempt")
    ]


def fill(port: int, connections: int) -> list[socket.socket]:
    """Connect so often to a listener that does not accept that its queue has no more room."""
    made = [socket.socket() for _ in range(connections)]
    for one in made:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
    return made


class FullQueue:
    """A listener that never accepts, and whose queue has no more room."""

    def __enter__(self) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        port = listener.getsockname()[1]
        self._sockets = [listener, *fill(port, 8)]
        return port

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()


def test_accounts_and_id_never_come(world):
    world.tws.starts = False
    assert world.wanted().when("time", 10) == pytest.approx(5, abs=0.5)


def test_the_time_is_never_told(world):
    """Handshake fine, and silence behind it (ib_async #84)."""
    world.tws.tells_time = False
    assert world.wanted().when("time", 15) == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize("just_asked", [True, False])
def test_a_wedge_is_seen_in_time_for_a_message_within_30_s(world, just_asked):
    world.healthy()
    asked = world.tws.clients[0].asked
    world.run(15, lambda: just_asked and world.tws.clients[0].asked > asked)
    world.seen.clear()
    world.tws.mute = True
    assert world.when("time", 30) < 25


def test_the_same_wedge_stays_the_same_whatever_a_new_connection_meets(world):
    world.healthy()
    world.tws.mute = True
    world.run(600)
    assert set(world.values("probe")) == {"time"}
    world.seen.clear()
    world.tws.accepts, world.tws.mute = True, False
    assert world.when("ok", 30) < 30


def test_a_wedge_whose_queue_fills_up_is_still_the_same(world):
    world.healthy()
    world.tws.mute, world.tws.accepts = True, False
    world.when("time", 30)
    waiting = fill(world.tws.port, 40)
    world.run(120)
    assert set(world.values("probe")) == {"time"}
    assert "to the connection attempt" in world.last("probe").text
    for one in waiting:
        one.close()


def test_a_refusal_after_a_wedge_is_what_it_is(world):
    world.healthy()
    world.tws.mute = True
    world.when("time", 30)
    world.tws.stop()
    assert world.when("port", 30) < 10


def test_one_lost_connection_is_no_trouble(world):
    world.healthy()
    world.tws.drop()
    world.run(5)
    assert world.values("probe") == []
    assert world.tws.connections == 2


def test_connections_that_are_lost_again_and_again_are(world):
    world.healthy()
    world.tws.drop()
    world.run(5, lambda: len(world.tws.clients) == 1)
    world.run(1)
    world.tws.drop()
    world.run(1)
    assert world.values("probe") == ["ready"]
    assert world.last("probe").text.startswith("Gateway closed the connection")


@pytest.mark.parametrize("after", [0, 2, 9])
def test_closes_amid_a_frame(world, after):
    world.tws.closes_after = after
    world.wanted().when("handshake", 2)
    assert world.last("probe").text.startswith("Gateway closed the connection")


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"HTTP/1.1 400 Bad Request\r\n", b"\0\0\0\0"])
def test_a_length_no_frame_has(world, garbage):
    world.tws.garbage = garbage
    world.wanted().when("handshake", 2)
    assert world.last("probe").text.startswith("the answer is not the TWS API's")


def test_an_answer_in_single_bytes_is_an_answer(world):
    world.tws.piecewise = True
    world.tws.codes = ()
    assert world.wanted().when("ok", 5) > 1


def test_single_bytes_do_not_move_a_deadline(world):
    world.tws.garbage = b"\0\0\1\0" + b"1" * 255
    world.tws.piecewise = True
    world.wanted().run(4.6)
    assert world.values("probe") == []
    assert world.when("time", 1) < 1


@pytest.mark.parametrize("version", [188, 201, 226, 99, "x"])
def test_a_version_the_probe_does_not_speak_is_not_a_sick_gateway(world, version):
    world.tws.version = version
    world.wanted().when("incompatible", 2)
    assert world.last("probe").text == f"Gateway answers version '{version}'; the probe speaks 100 to 187"
    world.run(50)
    assert world.tws.connections == 2


def test_a_gateway_that_refuses_the_version_by_code(world):
    world.tws.garbage = b"\0\0\0\x17" + b"4\x002\0-1\x00503\0out of date\0"
    world.wanted().when("incompatible", 2)
    assert world.last("probe").text.startswith("Gateway answers code 503;")


def test_a_client_id_in_use_costs_another_one_and_no_alarm(world):
    world.tws.taken_ids = set(CLIENT_IDS[:3])
    world.wanted().run(2)
    assert world.values("probe") == ["ok"]
    assert world.tws.seen == list(CLIENT_IDS[:4])
    assert world.values("code") == [326]


def test_all_client_ids_in_use(world):
    world.tws.taken_ids = set(CLIENT_IDS)
    world.wanted().when("client_id", 5)
    assert sorted(world.tws.seen) == list(CLIENT_IDS)
    world.run(25)
    assert len(world.tws.seen) == len(CLIENT_IDS)
    world.tws.taken_ids.clear()
    assert world.when("ok", 10) < 10


@pytest.mark.parametrize("code", [LOST, BROKEN])
def test_the_link_is_lost_and_comes_back(world, code):
    world.healthy()
    world.tws.tell(code)
    world.run(1)
    assert (world.values("link"), world.values("probe")) == (["down"], ["link"])
    assert (world.last("link").text, world.last("probe").text) == (str(code[0]), f"code {code[0]}")
    world.tws.tell(BACK)
    world.run(1)
    assert (world.values("link"), world.values("probe")) == (["down", "up"], ["link", "ok"])
    assert world.last("link").text == "1102"


def test_a_code_that_is_repeated_is_told_once_a_minute(world):
    world.healthy()
    for _ in range(60):
        world.tws.tell(LOST, (10197, "No market data during competing live session"))
        world.run(1)
    assert world.values("link") == ["down"]
    assert world.values("code") == [10197]
    world.tws.tell((10197, "No market data during competing live session"))
    world.run(SAY_AGAIN / 10)
    assert world.values("code") == [10197] * 2


def test_a_fresh_connection_hears_that_the_link_is_down(world):
    world.tws.codes = (LOST, BROKEN)
    world.wanted().run(2)
    assert (world.values("link"), world.values("probe")) == (["down"], ["link"])


@pytest.mark.parametrize("code", [BACK_LOST, *FARMS_FINE])
def test_what_says_that_the_link_is_up(world, code):
    world.tws.codes = (LOST,)
    world.wanted().run(1)
    world.tws.tell(code)
    world.run(1)
    assert world.values("link") == ["down", "up"]


def test_broken_farms(world):
    world.healthy()
    world.tws.tell(FARM_BROKEN)
    world.run(1)
    world.tws.tell(HISTORY_BROKEN, (2157, "Sec-def data farm connection is broken:secdefnj"))
    world.run(1)
    world.tws.tell(FARM_FINE, HISTORY_IDLE, (2119, "Market data farm is connecting:usfarm"))
    world.run(1)
    world.tws.tell((2158, "Sec-def data farm connection is OK:secdefnj"))
    world.run(1)
    three = ("secdefnj", "usfarm.nj", "ushmds")
    assert world.values("farm") == [("usfarm.nj",), three, ("secdefnj",), ()]
    assert world.values("link") == []


def test_all_farms_are_back_with_the_link(world):
    world.healthy()
    world.tws.tell(FARM_BROKEN, HISTORY_BROKEN, LOST)
    world.run(1)
    world.tws.tell(BACK)
    world.run(1)
    assert world.values("farm")[-1] == ()


@pytest.mark.parametrize("text", ["", "broken:" + "x" * 500, "broken:a b", "broken:ü\n"])
def test_a_farm_without_a_proper_name_has_none(world, text):
    world.healthy()
    world.tws.tell((2103, text))
    world.run(1)
    assert world.values("farm") == [("unnamed",)]


def test_no_longer_wanted_it_hangs_up_and_says_nothing(world):
    world.healthy()
    world.probe.want(False, world.clock())
    world.run(120)
    assert world.seen == []
    assert world.tws.clients == []


def test_wanted_again_it_says_everything_anew(world):
    world.healthy()
    world.probe.want(False, world.clock())
    world.probe.want(True, world.clock())
    world.run(2)
    assert (world.values("probe"), world.values("link"), world.values("farm")) == (["ok"], ["up"], [()])


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_that_is_set_is_no_wedge(world, step):
    world.healthy()
    world.run(10, lambda: world.tws.clients[0].asked == 2)
    world.clock.advance(step)
    world.run(60)
    assert set(world.values("probe")) == {"ok"}
    assert world.tws.connections == 1
    assert 5 <= world.tws.clients[0].asked <= 9


@pytest.mark.parametrize(("step", "wedged"), [(3600.0, False), (-3600.0, True)])
def test_a_clock_that_is_set_while_an_answer_is_waited_for(world, step, wedged):
    world.healthy()
    world.tws.mute = True
    world.run(15, lambda: world.probe._connection.stage == "time")
    world.clock.advance(step)
    world.run(1)
    assert set(world.values("probe")) == {"ok"}
    if wedged:
        assert world.when("time", 15) < 15
    else:
        world.tws.mute = False
        world.run(30)
        assert set(world.values("probe")) == {"ok"}


def test_news_does_not_wait_for_the_next_question(world):
    world.healthy()
    world.run(3)
    world.tws.tell(LOST)
    world.turn()
    assert (world.values("link"), world.values("probe")) == (["down"], ["link"])


def test_a_machine_without_sockets_left_is_no_crash(world, monkeypatch):
    def full(*_: object, **__: object) -> Connection:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(probing, "Connection", full)
    world.wanted().run(5)
    assert world.values("probe") == []
    monkeypatch.undo()
    assert world.when("ok", 5) < 5
