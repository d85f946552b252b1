"""Every bit of a checkpoint is looked at before it is loaded."""

import random
import time
import zipfile
from collections import OrderedDict

import pytest
import torch

from segsr_arch.errors import WeightsFileError
from segsr_arch.weights.archives import check_archive
from segsr_arch.weights.reading import read_content

SIZES = {"a.weight": (8, 5), "empty": (0,), "b": (700,)}


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "net_g_5.pth"
    state = OrderedDict((name, torch.rand(size)) for name, size in SIZES.items())
    torch.save({"params": state, "iter": 5, "half": torch.ones(3).half()}, path)
    return path


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_whole_one_is_read(checkpoint):
    assert check_archive(checkpoint) is True
    assert read_content(checkpoint)["params"]["b"].shape == (700,)


def test_any_flipped_bit_is_found(checkpoint, tmp_path):
    """A step that is prime to the lengths of all fields: records, headers, padding, directory and end."""
    content, path = checkpoint.read_bytes(), tmp_path / "flipped.pth"
    missed = []
    for bit in range(0, 8 * len(content), 31):
        path.write_bytes(flipped(content, bit))
        try:
            read_content(path)
            missed.append(bit)
        except WeightsFileError as error:
            assert str(error).startswith(str(path))
    assert missed == []


def test_200_of_200_in_one_of_a_network(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"params": torch.nn.TransformerEncoderLayer(64, 4, 128).state_dict()}, path)
    content, draw = path.read_bytes(), random.Random(0)
    for _ in range(200):
        path.write_bytes(flipped(content, draw.randrange(8 * len(content))))
        with pytest.raises(WeightsFileError, match=r"net\.pth cannot be read.*(damaged|cut short).*Copy"):
            read_content(path)


def test_bytes_at_the_end_and_bytes_that_are_gone(checkpoint):
    content = checkpoint.read_bytes()
    for changed in (content + b"\0", content[:-1], content[: len(content) // 2], content[:100]):
        checkpoint.write_bytes(changed)
        with pytest.raises(WeightsFileError, match=r"net_g_5\.pth cannot be read"):
            read_content(checkpoint)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_that_was_packed_anew_is_read_and_its_records_are_checked(checkpoint, tmp_path, method):
    path = tmp_path / "packed.pth"
    with zipfile.ZipFile(checkpoint) as old, zipfile.ZipFile(path, "w", method) as new:
        for record in old.infolist():
            new.writestr(record.filename, old.read(record))
    assert torch.equal(read_content(path)["params"]["b"], read_content(checkpoint)["params"]["b"])
    with zipfile.ZipFile(path) as archive:
        record = next(each for each in archive.infolist() if each.file_size == 2800)
    content = path.read_bytes()
    path.write_bytes(flipped(content, 8 * (record.header_offset + 200)))
    with pytest.raises(WeightsFileError, match=r"packed\.pth cannot be read: it is damaged"):
        read_content(path)


def test_one_without_checksums_is_read_with_a_warning(tmp_path, caplog):
    path = tmp_path / "bare.pth"
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_content(path)["a"], torch.ones(3))
    assert "bare.pth was saved without checksums" in caplog.text


def test_the_check_takes_less_than_reading_and_little_memory(tmp_path):
    import tracemalloc

    path = tmp_path / "large.pth"
    torch.save({"a": torch.rand(16, 2**20)}, path)  # 64 MB
    tracemalloc.start()
    start = time.perf_counter()
    check_archive(path)
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24 and seconds < 5
