"""The stand-in for whatever receives alerts records every request, one line each."""

import importlib.util
import json
import threading
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "testbed" / "webhook_receiver.py"


@pytest.fixture
def receiver(tmp_path, monkeypatch):
    # On a host it lies beside what it imports.
    monkeypatch.syspath_prepend(SOURCE.parent)
    spec = importlib.util.spec_from_file_location("webhook_receiver", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    record = tmp_path / "webhook.jsonl"
    with ThreadingHTTPServer(("127.0.0.1", 0), module.handler(record)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", record
        server.shutdown()
        thread.join()


def post(url: str, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - a loopback URL
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return answer.status


def lines(record: Path) -> list[dict]:
    return [json.loads(line) for line in record.read_text().splitlines()]


def test_a_message_is_recorded(receiver):
    url, record = receiver
    assert post(f"{url}/alerts", '{"title": "IB Key ü"}\n'.encode()) == 200
    (line,) = lines(record)
    assert line["path"] == "/alerts"
    assert json.loads(line["body"]) == {"title": "IB Key ü"}
    assert line["time"].endswith("Z")


def test_parallel_messages_do_not_mix(receiver):
    url, record = receiver
    threads = [threading.Thread(target=post, args=(url, str(n).encode() * 500)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line["body"] for line in lines(record)) == [str(n) * 500 for n in range(8)]


def test_nonsense_is_refused_and_not_recorded(receiver):
    url, record = receiver
    with pytest.raises(urllib.error.HTTPError, match="413") as refused:
        post(url, b"", **{"Content-Length": "99999999"})
    refused.value.close()
    assert not record.exists()
