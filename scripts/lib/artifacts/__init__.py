"""The artifact lock: what the publishers have, what is locked, what lies in the mirror."""

from __future__ import annotations


class ArtifactError(Exception):
    """An artifact or the lock cannot be used; the text names the remedy."""
