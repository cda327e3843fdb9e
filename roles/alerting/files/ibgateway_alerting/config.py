"""What the watcher is told: which instances, under which host name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


class ConfigError(ValueError):
    """The configuration is not usable; the text says what to do."""


@dataclass(frozen=True)
class Config:
    """The watcher's configuration.

    Attributes:
        host: how the operator calls this machine.
        events: events file of each instance, by its name.
    """

    host: str
    events: dict[str, Path]


def load(path: Path) -> Config:
    """Read the configuration.

    Args:
        path: a TOML file with `host`, `state_root` and the list `instances`.

    Raises:
        ConfigError: it cannot be read, or lacks something.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        host, root, instances = content["host"], content["state_root"], content["instances"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{path} is unusable ({error!r}): run the playbook with --tags alerting") from error
    texts = [host, root, *instances] if isinstance(instances, list) else [None]
    if not all(isinstance(text, str) and text for text in texts) or not instances:
        raise ConfigError(
            f"{path} must name host, state_root and instances: run the playbook with --tags alerting"
        )
    return Config(host, {name: Path(root) / name / "events.jsonl" for name in instances})
