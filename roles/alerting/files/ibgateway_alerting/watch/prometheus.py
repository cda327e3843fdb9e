"""prometheus_client, without the 4 MiB of OpenSSL that it loads for pushing and for TLS, which we never do.

Its only doors to them are `ssl` and, through urllib, `_hashlib`; hashlib has functions of its own beside it.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _NoTls(types.ModuleType):
    """Stands in for `ssl` while names from it are only written into annotations and defaults."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


@contextmanager
def _without_openssl() -> Iterator[None]:
    stand_ins = {"ssl": _NoTls("ssl"), "_hashlib": None}
    # What is loaded already is no cost any more.
    stand_ins = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


with _without_openssl():
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

__all__ = ["CollectorRegistry", "CounterMetricFamily", "GaugeMetricFamily", "start_http_server"]
