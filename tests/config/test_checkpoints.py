import pytest

import segsr_arch  # noqa: F401
from segsr_arch.config.checkpoints import unread_keys

NETWORKS = {"network_g": {}, "network_d": {}}


@pytest.mark.parametrize(
    ("path", "is_train", "unread"),
    [
        ({}, True, set()),
        ({"resume_state": "a.state"}, True, {"pretrain_network_g", "pretrain_network_d"}),
        ({"resume_state": "a.state", "ignore_resume_networks": "network_d"}, True, {"pretrain_network_g"}),
        ({"resume_state": "a.state"}, False, set()),
        (None, True, set()),
    ],
)
def test_a_state_to_resume_replaces_checkpoints(path, is_train, unread):
    assert unread_keys({**NETWORKS, "path": path}, is_train=is_train, states=None) == unread


def test_auto_resume_replaces_them_only_once_there_is_a_state(tmp_path):
    opt = {**NETWORKS, "path": {"resume_state": "other.state"}}
    assert unread_keys({**NETWORKS, "path": {}}, is_train=True, states=tmp_path) == set()
    assert "resume_state" not in unread_keys(opt, is_train=True, states=tmp_path)
    (tmp_path / "2.state").write_bytes(b"")
    assert unread_keys(opt, is_train=True, states=tmp_path) == {
        "pretrain_network_g",
        "pretrain_network_d",
        "resume_state",
    }
