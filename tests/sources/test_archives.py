"""Archives whose list says something else than what they hold."""

import stat
import struct
import zipfile
import zlib

import pytest

from segsr_arch.errors import DataError
from segsr_arch.preparation.run import prepare
from segsr_arch.sources import archives
from segsr_arch.sources.image_sources import ImageSource
from tests.preparation.test_preparation import make_source, options
from tests.support import make_image, write_image


def pack(path, members, *, compression=zipfile.ZIP_STORED):
    """Write an archive of pairs of name, or ZipInfo, and content."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def stored_as(name):
    info = zipfile.ZipInfo("x")
    info.filename = name
    return info


def png(tmp_path, seed=0):
    return write_image(tmp_path / "drawn" / f"{seed}.png", make_image(seed, 48, 48)).read_bytes()


def images(tmp_path, count=3):
    return [(f"a/a{index}.png", png(tmp_path, index)) for index in range(count)]


def patched(path, old, new):
    """Change what both lists of an archive, of the file's end and before the member, say of it."""
    data = path.read_bytes()
    assert data.count(old) == 2
    path.write_bytes(data.replace(old, new))
    return path


def test_backslashes_divide_folders(tmp_path):
    members = [(stored_as(f"Land\\Images\\{name}\\{name}1.png"), png(tmp_path)) for name in ("beach", "forest")]
    source = ImageSource(pack(tmp_path / "win.zip", [*members, (stored_as("Land\\Images\\"), b"")]))
    assert source.files() == ["Land/Images/beach/beach1.png", "Land/Images/forest/forest1.png"]
    assert source.read("Land/Images/beach/beach1.png") == png(tmp_path)
    outcome = prepare(options(tmp_path / "win.zip", tmp_path / "dst", val=0, test=0))
    assert outcome.manifest["counts"]["train"]["by_class"] == {"beach": 1, "forest": 1}


@pytest.mark.parametrize("name", ["海滩/海滩1.png", "forêt/forêt1.png"])
def test_names_that_macos_left_unmarked_keep_their_letters(tmp_path, name):
    path = pack(tmp_path / "mac.zip", [(name, png(tmp_path))])
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(mark) + offset
        data[place : place + 2] = struct.pack("<H", struct.unpack("<H", data[place : place + 2])[0] & ~0x800)
    path.write_bytes(data)
    assert zipfile.ZipFile(path).namelist() != [name]
    source = ImageSource(path)
    assert source.files() == [name] and source.read(name) == png(tmp_path)


@pytest.mark.parametrize("name", ["../../evil.png", "/tmp/evil.png", "C:\\evil.png", "a\\..\\..\\evil.png"])
def test_members_that_lead_out_are_named_and_left_out(tmp_path, name):
    source = pack(tmp_path / "out.zip", [*images(tmp_path), (stored_as(name), png(tmp_path, 9))])
    outcome = prepare(options(source, tmp_path / "dst", val=0, test=0))
    assert outcome.written == {4: 3}
    (problem,) = outcome.problems.items
    assert problem.file == name and "leads out of the source; left out" in problem.done
    assert not list(tmp_path.rglob("evil*"))


def test_a_member_that_unpacks_to_gigabytes_is_named_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_SUSPICIOUS", 2**20)
    bomb = [("a/bomb.png", bytes(2**21))]
    source = pack(tmp_path / "bomb.zip", [*images(tmp_path), *bomb], compression=zipfile.ZIP_DEFLATED)
    outcome = prepare(options(source, tmp_path / "dst", val=0, test=0))
    assert outcome.written == {4: 3}
    (problem,) = outcome.problems.items
    assert problem.file == "a/bomb.png" and "would unpack from" in problem.done and "2097152 bytes" in problem.done


def test_a_member_that_is_larger_than_its_list_says_is_not_unpacked_any_further(tmp_path):
    claimed = 1000
    content = bytes(64 * 2**20)
    path = pack(tmp_path / "liar.zip", [("bomb.png", content)], compression=zipfile.ZIP_DEFLATED)
    crc = struct.pack("<L", zlib.crc32(content))
    size = len(zlib.compress(content)) - 6  # without zlib's own frame
    patched(path, crc + struct.pack("<LL", size, len(content)), crc + struct.pack("<LL", size, claimed))
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(DataError, match=r"bomb\.png in .*liar\.zip: cannot be read"):
        ImageSource(path).read("bomb.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_encrypted_members_and_links_are_named_with_the_remedy(tmp_path):
    link = zipfile.ZipInfo("a/link.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    path = pack(tmp_path / "odd.zip", [*images(tmp_path), (link, "../b/b1.png"), ("a/secret.png", b"x")])
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 8
    data[place] |= 1
    path.write_bytes(data)
    outcome = prepare(options(path, tmp_path / "dst", val=0, test=0))
    assert outcome.written == {4: 3}
    assert {problem.file: problem.done.split(";")[0] for problem in outcome.problems.items} == {
        "a/link.png": "a link, which leads nowhere in an archive",
        "a/secret.png": "encrypted",
    }


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_of_one_name_the_last_counts_and_it_is_said(tmp_path):
    path = pack(tmp_path / "twice.zip", [("a/a0.png", png(tmp_path, 1)), ("a/a0.png", png(tmp_path, 2))])
    source = ImageSource(path)
    assert source.files() == ["a/a0.png"] and source.read("a/a0.png") == png(tmp_path, 2)
    assert source.left_out == [("a/a0.png", "is in the archive again; the last one counts, as if it was unpacked")]


def test_archives_that_python_cannot_list_are_named(tmp_path):
    path = pack(tmp_path / "bad.zip", [("a/é.png", b"x")])
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))  # marked as UTF-8, and is not
    with pytest.raises(DataError, match=r"bad\.zip: not a readable \.zip archive"):
        ImageSource(path)


def test_links_to_folders_are_followed_and_what_leads_nowhere_is_named(tmp_path):
    make_source(tmp_path / "store", classes=("a", "b"))
    source = tmp_path / "src"
    source.mkdir()
    (source / "a").symlink_to(tmp_path / "store/a", target_is_directory=True)
    (source / "b").symlink_to(tmp_path / "store/b", target_is_directory=True)
    (tmp_path / "store/a/round").symlink_to(source, target_is_directory=True)
    (source / "gone.png").symlink_to(tmp_path / "nowhere")
    outcome = prepare(options(source, tmp_path / "dst", val=0, test=0))
    assert outcome.written == {4: 10}
    assert outcome.manifest["counts"]["train"]["by_class"] == {"a": 5, "b": 5}
    found = {problem.file: problem.done for problem in outcome.problems.items}
    assert found == {
        "a/round": "a link back to a folder above it; not followed",
        "gone.png": "a link to nothing; left out",
    }


def test_a_link_to_where_the_data_set_is_to_lie_is_refused(tmp_path):
    make_source(tmp_path / "src")
    make_source(tmp_path / "elsewhere", classes=("c",))
    (tmp_path / "src/more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    for place in ("elsewhere/c", "elsewhere/c/dst"):
        with pytest.raises(DataError, match=r"src/more/c, a folder of the source, lie in one another"):
            prepare(options(tmp_path / "src", tmp_path / place, val=0, test=0))
    assert prepare(options(tmp_path / "src", tmp_path / "elsewhere", val=0, test=0)).written == {4: 15}
    with pytest.raises(DataError, match="src/more/train/HR_x4, a folder of the source"):
        prepare(options(tmp_path / "src", tmp_path / "elsewhere", val=0, test=0))


def test_a_data_set_may_lie_above_its_source(tmp_path):
    make_source(tmp_path / "src")
    for written in ({4: 10}, {}):
        assert prepare(options(tmp_path / "src", tmp_path, val=0, test=0)).written == written


def test_backslashes_in_the_names_of_files_divide_folders_too(tmp_path):
    (tmp_path / "src").mkdir()
    for index, name in enumerate(("beach", "forest")):
        (tmp_path / "src" / f"Images\\{name}\\{name}1.png").write_bytes(png(tmp_path, index))
    outcome = prepare(options(tmp_path / "src", tmp_path / "dst", val=0, test=0))
    assert outcome.manifest["counts"]["train"]["by_class"] == {"beach": 1, "forest": 1}
