"""What the simulated IBKR has counted of an instance: what a change cost."""

from harness.instance import Instance

COUNTED = ("logins", "pushes.sent", "token_restarts")


def counts(instance: Instance) -> dict[str, int]:
    """What it has counted: logins, pushes, token restarts."""
    return {name: instance.counted(name) for name in COUNTED}


def since(instance: Instance, before: dict[str, int]) -> dict[str, int]:
    """What it has counted more than before.

    Args:
        instance: which.
        before: what `counts` said then.
    """
    return {name: number - before[name] for name, number in counts(instance).items()}
