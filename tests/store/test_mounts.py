"""The file system of a path is told from the table of mounts."""

import sys

import pytest

from nbmlops.store import mounts


def test_the_mount_with_the_longest_prefix_counts():
    text = (
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda rw\n"
        "30 22 0:40 / /home rw - nfs4 server:/home rw\n"
        "31 30 8:2 / /home/me/my\\040disk rw master:3 propagate_from:2 - xfs /dev/sdb rw\n"
        "32 22 0:41 / /homework rw - ext4 /dev/sdc rw\n"
        "33 22 0:42 / /twice rw - ext4 /dev/sdc rw\n"
        "34 33 0:43 / /twice rw - cifs //server/share rw\n"
    )
    table = list(mounts._mountinfo(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mounts, "_mounts", lambda: table)
        find = mounts._filesystem.__wrapped__
        places = ("/x", "/home/you", "/home/me/my disk/p", "/homework", "/twice/a", "/home")
        assert [find(place, 0) for place in places] == ["ext4", "nfs4", "xfs", "ext4", "cifs", "nfs4"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the table of Linux")
def test_a_path_that_does_not_exist_lies_where_its_folder_does(tmp_path):
    assert mounts.filesystem(tmp_path / "not" / "yet") == mounts.filesystem(tmp_path) != ""


def test_a_path_through_a_link_lies_where_the_link_leads(tmp_path, monkeypatch):
    far = tmp_path / "far"
    far.mkdir()
    (tmp_path / "near").symlink_to(far)
    monkeypatch.setattr(mounts, "_mounts", lambda: [("/", "ext4"), (str(far.resolve()), "nfs4")])
    mounts._filesystem.cache_clear()
    assert mounts.filesystem(tmp_path / "near" / "store.sqlite") == "nfs4"
    mounts._filesystem.cache_clear()
