"""What a file is, is said; code in it is never run."""

import json
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from segsr_arch.errors import CheckpointError, UnsafeWeightsError, WeightsError, WeightsFileError
from segsr_arch.weights.reading import read_content, read_state_dict
from tests.compat.helpers import Payload


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_file_cut_short(tmp_path, keep, zipped):
    path = tmp_path / "a.pth"
    torch.save({"params": torch.zeros(1000)}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(WeightsFileError, match=r"a\.pth cannot be read.*(cut short|it is empty)"):
        read_content(path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match=r"no file .*a\.pth.*Check the path"):
        read_content(tmp_path / "a.pth")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 66123456\n"
INDEX = json.dumps({"metadata": {}, "weight_map": {"a": "model-1.bin"}}).encode()
FOREIGN = {
    "is empty": b"",
    "a web page that was saved": b"\xef\xbb\xbf  <!DOCTYPE html>\n<html lang='en'><head><title>net_g.pth</title>",
    "a web page that": b"<html>" + "é".encode() * 5000,
    "pointer of Git LFS to a file of 66123456 bytes. Run git lfs pull": POINTER,
    "it is JSON, and no checkpoint": b'{"error": "Not found"}',
    "It is the index of weights in several files": INDEX,
    "it is text that begins with 'hello, this": b"hello, this is text\n" * 9,
    "zeros alone": bytes(1000),
    "packed by gzip": b"\x1f\x8b\x08" + bytes(range(200)),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a numpy array": b"\x93NUMPY\x01\x00" + bytes(100),
    "it is probably cut short or no checkpoint": bytes(range(256)) * 30,
}


@pytest.mark.parametrize("said", FOREIGN)
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_what_is_no_file_of_weights_is_called_what_it_is(tmp_path, said, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(FOREIGN[said])
    for kind in (CheckpointError, WeightsError):
        with pytest.raises(kind) as caught:
            read_content(path)
    assert str(caught.value).startswith(str(path)) and said in str(caught.value)


def test_a_folder_lists_what_is_in_it(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net_g_5.pth").touch()
    with pytest.raises(WeightsFileError, match=r"models is a folder.*\(there are net_g_5\.pth\)"):
        read_content(tmp_path / "models")


def test_an_archive_of_something_else(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/weights.pth", b"1234")
    with pytest.raises(
        WeightsFileError, match=r"zip archive that torch has not written, with net/weights\.pth\. Unpack"
    ):
        read_content(path)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_plain_pickle_with_code_is_called_that_and_not_run(tmp_path, protocol):
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps({"params": Payload(tmp_path / "ran")}, protocol=protocol))
    with pytest.raises(UnsafeWeightsError) as caught:
        read_content(path)
    said = str(caught.value)
    assert said.startswith(f"{path} is refused because it could run code: it is a plain pickle")
    assert "io.open" in said or "builtins.open" in said
    assert "truncated" not in said and "cut short" not in said and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_code_in_a_file_of_torch_is_named_and_not_run(tmp_path, zipped, ending, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path = tmp_path / f"a.{ending}"
    torch.save({"params": Payload(tmp_path / "ran")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeWeightsError, match=r"a\.\w+ is refused because it could run code.*\(_?io\.open\)"):
        read_content(path)
    assert not (tmp_path / "ran").exists()


def test_plain_pickles_and_tars_without_code(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps({"a": [1.0, 2.0]}))
    with pytest.raises(WeightsFileError, match=r"a\.pth .*plain pickle and no checkpoint of torch.*torch\.save"):
        read_content(path)
    path.write_bytes(pickle.dumps({"a": np.zeros(2)}))
    with pytest.raises(UnsafeWeightsError, match=r"would call numpy\."):
        read_content(path)
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            (tmp_path / name).write_bytes(b"1234")
            archive.add(tmp_path / name, name)
    with pytest.raises(UnsafeWeightsError, match=r"a\.pth .*tar archive"):
        read_content(path)


def test_safetensors_are_known_by_their_content(tmp_path):
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2).bfloat16()}
    save_file(state, tmp_path / "a.pth")
    torch.save(state, tmp_path / "b.safetensors")
    for path in (tmp_path / "a.pth", tmp_path / "b.safetensors"):
        found, _ = read_state_dict(path)
        assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)


def test_safetensors_cut_short_or_with_a_header_that_does_not_fit(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(100)}, path)
    content = path.read_bytes()
    for keep in (20, 100, len(content) - 1):
        path.write_bytes(content[:keep])
        with pytest.raises(
            WeightsFileError, match=r"a\.safetensors cannot be read: it is cut short \(\d+ of \d+ bytes"
        ):
            read_content(path)
    path.write_bytes(content + b"more")
    with pytest.raises(WeightsFileError, match=r"a\.safetensors cannot be read: it is damaged"):
        read_content(path)
    (length,) = struct.unpack("<Q", content[:8])
    path.write_bytes(content[:8] + content[8 : 8 + length].replace(b"F32", b"F33") + content[8 + length :])
    with pytest.raises(WeightsFileError, match=r"a\.safetensors cannot be read: it is damaged"):
        read_content(path)


def test_versions_of_modules_outlive_the_prefixes(tmp_path):
    network = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1)))
    torch.save({"params": network.state_dict()}, tmp_path / "a.pth")
    state, entry = read_state_dict(tmp_path / "a.pth", entries=("params",))
    assert list(state) == list(network.module.state_dict())
    assert state._metadata == network.module.state_dict()._metadata
    assert state._metadata["1"] == {"version": 2}
