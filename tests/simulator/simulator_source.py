"""The simulator's sources: the host command as a module, and what the Java files say."""

import importlib.util
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "testbed" / "simulator"

_spec = importlib.util.spec_from_file_location("gateway_sim", FOLDER / "gateway_sim.py")
gateway_sim = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gateway_sim)


def java(name=""):
    """The text of the Java file of this name, or of all."""
    return "\n".join(p.read_text() for p in sorted((FOLDER / "src").rglob(f"{name or '*'}.java")))


def quoted(text):
    """All string literals in a piece of Java."""
    return re.findall(r'"([^"]*)"', text)
