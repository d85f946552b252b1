import os
import unicodedata

import lmdb
import pytest

from segsr_arch.errors import DataError
from segsr_arch.sources.lmdb_reading import check_pages, read_whole_list
from segsr_arch.sources.name_lists import read_meta_info
from tests.config.paired_options import make_lmdb


def fill(folder, values):
    with lmdb.open(str(folder), map_size=1 << 26) as environment:
        for number in range(0, len(values), 7):  # several transactions: the older meta page is the shorter one
            with environment.begin(write=True) as transaction:
                for key in range(number, min(number + 7, len(values))):
                    transaction.put(f"{key:05}".encode(), values[key])
        return environment.stat()["entries"], (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]


@pytest.mark.parametrize("sizes", [[], [10], [100, 5000, 70000] * 20])
def test_pages_are_those_that_lmdb_counts(tmp_path, sizes):
    (tmp_path / "a.lmdb").mkdir()
    entries, size = fill(tmp_path / "a.lmdb", [os.urandom(length) for length in sizes])
    found = check_pages(tmp_path / "a.lmdb")
    assert (found.entries, found.size) == (entries, size) and entries == len(sizes)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_an_lmdb_that_was_cut_short_is_named(tmp_path, share):
    (tmp_path / "a.lmdb").mkdir()
    fill(tmp_path / "a.lmdb", [os.urandom(50000)] * 30)
    data = tmp_path / "a.lmdb/data.mdb"
    os.truncate(data, int(data.stat().st_size * share))
    with pytest.raises(DataError, match=r"a\.lmdb/data\.mdb: .*copy it again"):
        check_pages(tmp_path / "a.lmdb")


def test_what_is_no_lmdb_is_named(tmp_path):
    with pytest.raises(DataError, match=r"data\.mdb: cannot be read"):
        check_pages(tmp_path)
    (tmp_path / "data.mdb").write_bytes(bytes(8192))
    with pytest.raises(DataError, match=r"data\.mdb: is no LMDB, or only the beginning of one \(8192 bytes\)"):
        check_pages(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_list_is_read_in_any_encoding(tmp_path, encoding):
    make_lmdb(tmp_path / "a.lmdb", {"forêt 1": (3, 4), "b.c": (5, 6)})
    listing = tmp_path / "a.lmdb/meta_info.txt"
    text = listing.read_text("utf-8").replace("\n", "\r\n") + "\r\n"
    listing.write_bytes(text.encode(encoding))
    assert read_whole_list(tmp_path / "a.lmdb") == {"forêt 1": (3, 4), "b.c": (5, 6)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/tmp/x.png (4,4,3) 1", "line 2: the key '/tmp/x' is a path out of its folder"),
        ("../x.png (4,4,3) 1", "line 2: the key '../x' is a path out of its folder"),
        ("a\\b.png (4,4,3) 1", r"line 2: the key 'a\\b' contains backslashes"),
        ("first.png (4,4,3) 1", "line 2: key 'first' is there twice"),
        ("second", "line 2: expected `name.png"),
    ],
)
def test_lines_that_cannot_be_meant_are_named(tmp_path, line, words):
    (tmp_path / "meta_info.txt").write_text(f"first.png (4,4,3) 1\n{line}\n")
    with pytest.raises(DataError) as caught:
        read_meta_info(tmp_path)
    assert words in str(caught.value)


def test_a_decomposed_key_is_the_key_of_the_list(tmp_path):
    name = unicodedata.normalize("NFD", "forêt")
    make_lmdb(tmp_path / "a.lmdb", {name: (4, 4)})
    assert list(read_whole_list(tmp_path / "a.lmdb")) == [name]
