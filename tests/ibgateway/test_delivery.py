"""How a locked file reaches the host: one way, and from the same place wherever Ansible runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rendering import refusals, templar

REST = {"sha256": "ab" * 32, "size": 1, "first_seen": "2026-11-24"}
BOTH = {"path": "../artifacts/gateway.sh", "url": "https://host/gateway.sh", **REST}


def delivered(lock: Any, delivery: str = "push", inventory_dir: str | None = None) -> Any:
    known = templar(
        ibgateway_artifacts={"10.45.1": lock},
        ibgateway_artifact_delivery=delivery,
        inventory_dir=inventory_dir,
    )
    return known.template(known.available_variables["_ibgateway_artifacts"])["10.45.1"]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory with the mirror beside it."""
    folder = tmp_path / "inventories" / "mine"
    folder.mkdir(parents=True)
    (folder.parent / "artifacts").mkdir()
    (folder.parent / "artifacts" / "gateway.sh").touch()
    return folder


def test_pushed_from_the_mirror(inventory: Path) -> None:
    place = str(inventory.parent / "artifacts" / "gateway.sh")
    assert delivered(BOTH, "push", str(inventory)) == {"path": place, **REST}


def test_downloaded_by_the_host(inventory: Path) -> None:
    assert delivered(BOTH, "download", str(inventory)) == {"url": BOTH["url"], **REST}


@pytest.mark.parametrize("delivery", ["push", "download"])
@pytest.mark.parametrize("way", [{"url": "https://host/x"}, {"path": "/x/y"}])
def test_what_can_be_had_one_way_comes_that_way(delivery: str, way: dict[str, str]) -> None:
    assert delivered(way | REST, delivery) == way | REST


def test_a_path_of_old_is_from_where_ansible_runs(
    inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.sh").touch()
    for folder in (str(inventory), None):
        assert delivered({"path": "old.sh", **REST}, "push", folder)["path"] == str(tmp_path / "old.sh")


def test_a_file_that_is_nowhere_is_named_where_the_inventory_has_it(inventory: Path) -> None:
    lock = {"10.45.1": {"path": "gone.sh", **REST}}
    said = list(
        refusals(
            "preflight.yml",
            host={"releases": {}},
            ibgateway_artifacts=lock,
            inventory_dir=str(inventory),
        )
    )
    assert len(said) == 1
    assert f"{inventory / 'gone.sh'} of IB Gateway 10.45.1 is not on the controller" in said[0]
    assert "scripts/ops lock" in said[0]


def test_what_is_downloaded_need_not_be_on_the_controller(inventory: Path) -> None:
    changes = {"ibgateway_artifacts": {"10.45.1": BOTH | {"path": "gone.sh"}}, "host": {"releases": {}}}
    assert len(list(refusals("preflight.yml", inventory_dir=str(inventory), **changes))) == 1
    changes["ibgateway_artifact_delivery"] = "download"
    assert list(refusals("preflight.yml", inventory_dir=str(inventory), **changes)) == []


def test_what_is_no_lock_is_left_to_the_preflight() -> None:
    assert delivered(None) is None
    assert delivered({"size": 1}) == {"size": 1}
