"""Work as the service's user, in a child."""

from __future__ import annotations

import os
import pwd

import pytest
from ibgatewaylib.act_user import as_service_user
from ibgatewaylib.ctl_host import CtlError

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@root
def test_the_file_is_the_users(tmp_path):
    nobody = pwd.getpwnam("nobody")
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)

    def work() -> list[int]:
        (tmp_path / "made").write_text("")
        return [os.getuid(), os.getgid(), *os.getgroups()]

    assert as_service_user(work, "nobody") == [nobody.pw_uid, nobody.pw_gid, nobody.pw_gid]
    assert (tmp_path / "made").stat().st_uid == nobody.pw_uid
    assert os.getuid() == 0


@root
def test_errors_come_back():
    def refuse() -> None:
        raise CtlError("not now", 5)

    with pytest.raises(CtlError, match="not now") as caught:
        as_service_user(refuse, "nobody")
    assert caught.value.code == 5
    with pytest.raises(CtlError, match="ZeroDivisionError"):
        as_service_user(lambda: 1 / 0, "nobody")
    with pytest.raises(CtlError, match="without a result"):
        as_service_user(lambda: os._exit(3), "nobody")


@root
def test_no_such_user():
    with pytest.raises(CtlError, match="run the playbook"):
        as_service_user(lambda: 1, "nobody-at-all")


def test_without_root_it_is_done_here(operator):
    assert as_service_user(os.getpid) == os.getpid()
