"""Do as the service's user what touches the service's files, though root runs the command.

The instance's directories belong to that user, so what root wrote there could be led astray by a link.
"""

from __future__ import annotations

import json
import os
import pwd

from .ctl_host import CtlError

USER = "ibgateway"
_LARGEST = 1 << 20


def as_service_user(work, user: str = USER):
    """Run a function as the service's user, in a child process; directly when this is not root.

    Args:
        work: called without arguments; its result must be JSON-serialisable.
        user: that user's name.

    Returns:
        what the function returned.

    Raises:
        CtlError: the function's own, that user does not exist, or the child ended without a result.
    """
    if os.geteuid() != 0:
        return work()
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise CtlError(f"there is no user {user!r} on this host: run the playbook for it") from None
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(reader)
        _in_child(work, account, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read(_LARGEST)
    os.waitpid(child, 0)
    try:
        answer = json.loads(data)
    except ValueError:
        raise CtlError(f"the part that runs as {user} ended without a result: see the journal") from None
    if "error" in answer:
        raise CtlError(answer["error"], answer["code"])
    return answer["result"]


def _in_child(work, account: pwd.struct_passwd, writer: int) -> None:
    """Become the user for good, work, answer; never return, or the parent's `finally` would run twice."""
    try:
        os.setgroups([account.pw_gid])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
        os.umask(0o077)
        answer: dict = {"result": work()}
    except CtlError as error:
        answer = {"error": str(error), "code": error.code}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}", "code": 1}
    try:
        os.write(writer, json.dumps(answer).encode())
    finally:
        os._exit(0)
