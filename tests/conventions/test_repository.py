"""What holds for the whole repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {".git", ".cache", ".venv", ".ansible", ".ruff_cache", ".pytest_cache", "__pycache__"}


def playbooks() -> dict[str, list]:
    """Every file that is a list of plays, by its path."""
    files = [ROOT / "site.yml", *(ROOT / "playbooks").glob("*.yml"), *(ROOT / "molecule").rglob("*.yml")]
    contents = {str(file.relative_to(ROOT)): yaml.safe_load(file.read_text()) for file in files}
    return {name: content for name, content in contents.items() if isinstance(content, list)}


PLAYBOOKS = playbooks()


def repository_files() -> list[Path]:
    """Every file of the repository that Git keeps, or all of them where there is no Git."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not GENERATED & set(path.relative_to(ROOT).parts)
    ]


def text_files() -> dict[Path, str]:
    found = {}
    for path in repository_files():
        try:
            found[path.relative_to(ROOT)] = path.read_text()
        except UnicodeDecodeError:
            continue
    return found


# Where packages come from is the user's matter: pip, apt and docker have their own configuration for that.
REGISTRY = re.compile(
    r"https?://[^\s\"'`)]*(pypi|files\.pythonhosted|deb\.debian|registry|mirror)[^\s\"'`)]*", re.IGNORECASE
)
DEVELOPER_PATH = re.compile(r"(?<![\w.])/(work|home/(?!ops\b|USER\b)\w+|Users)/\w+")


def test_no_registry_is_named():
    found = [
        (str(path), match[0]) for path, text in text_files().items() for match in REGISTRY.finditer(text)
    ]
    assert found == []


def test_no_path_of_a_developers_machine():
    found = [
        (str(path), match[0])
        for path, text in text_files().items()
        for match in DEVELOPER_PATH.finditer(text)
    ]
    assert found == []


def test_nothing_is_left_to_do_later():
    word = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    this = Path(__file__).resolve().relative_to(ROOT)
    found = [
        (str(path), match[0])
        for path, text in text_files().items()
        if path != this
        for match in word.finditer(text)
    ]
    assert found == []


# Folders of files that are copied to a host, or packed into an installer.
NOT_RUN_FROM_HERE = {"roles", "installer"}


def test_programs_are_executable():
    for path in repository_files():
        first = path.read_bytes()[:2]
        if first == b"#!" and not NOT_RUN_FROM_HERE & set(path.relative_to(ROOT).parts):
            assert path.stat().st_mode & 0o100, (
                f"{path.relative_to(ROOT)} begins with #! but is not executable"
            )


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_plays_and_their_tasks_are_named(playbook: str):
    for play in PLAYBOOKS[playbook]:
        assert play.get("name")
        assert [task for task in play.get("tasks", []) if not task.get("name")] == []


def test_the_page_of_variables_is_up_to_date():
    result = subprocess.run(
        [sys.executable, ROOT / "scripts/variables-doc", "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
