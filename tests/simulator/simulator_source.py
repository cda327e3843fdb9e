"""The simulator: the host command as a module, what the Java files say, and what was built of them."""

import importlib.util
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "testbed" / "simulator"
ARTIFACTS = FOLDER.parents[1] / ".cache" / "testbed" / "artifacts"

_spec = importlib.util.spec_from_file_location("gateway_sim", FOLDER / "gateway_sim.py")
gateway_sim = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gateway_sim)


def artifact(name):
    """A file that testbed/artifacts made."""
    assert (ARTIFACTS / name).is_file(), f"{ARTIFACTS / name} is missing: run testbed/artifacts"
    return ARTIFACTS / name


def java(name=""):
    """The text of the Java file of this name, or of all."""
    return "\n".join(p.read_text() for p in sorted((FOLDER / "src").rglob(f"{name or '*'}.java")))


def quoted(text):
    """All string literals in a piece of Java."""
    return re.findall(r'"([^"]*)"', text)
