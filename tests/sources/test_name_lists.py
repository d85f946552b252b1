"""Every list of images is read in the same way, whatever its encoding and however odd its names are."""

import pytest

from segsr_arch.data.bicubic_paired_dataset import BicubicPairedDataset
from segsr_arch.errors import DataError
from segsr_arch.sources.image_names import image_name, name_below, portable_name
from segsr_arch.sources.name_lists import read_meta_info, read_name_pairs, read_names, read_split_list

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


def write(path, lines, encoding, end="\r\n"):
    """Write a list as some editor does, with an empty line in it and one at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join([lines[0], "", *lines[1:]]) + 2 * end).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_odd_names_are_cut_at_the_same_places_by_every_reader(tmp_path, encoding):
    names = ["a.b.png", "x.tif", "forêt_1.PNG", "c/d.e.webp"]
    stems = ["a.b", "x", "forêt_1", "c/d.e"]
    assert [image_name(name) for name in names] == stems
    assert [name_below("root", f"root/{name}") for name in names] == stems
    noted = [f"{name} 1" for name in names]
    assert read_names(write(tmp_path / "names.txt", [noted[0], f"  {noted[1]}", *noted[2:]], encoding)) == names
    pairs = [(name, f"LR_{name}") for name in names]
    assert read_name_pairs(write(tmp_path / "pairs.txt", [", ".join(pair) for pair in pairs], encoding)) == pairs
    assert read_split_list(write(tmp_path / "split.txt", ["# odd ones", *names], encoding)) == stems
    write(tmp_path / "a.lmdb/meta_info.txt", [f"{name} ({n},4,3) 1" for n, name in enumerate(names)], encoding)
    assert read_meta_info(tmp_path / "a.lmdb") == {stem: (n, 4) for n, stem in enumerate(stems)}


def test_the_data_set_reads_the_names_that_the_option_check_lists(tmp_path):
    listing = write(tmp_path / "names.txt", [" a.b.png (4,4,3)", "x.tif 1"], "utf-16")
    options = {"dataroot_gt": "root", "io_backend": {"type": "disk"}, "meta_info_file": str(listing), "scale": 2}
    paths = [each["gt_path"] for each in BicubicPairedDataset(options).paths]
    assert paths == [f"root/{name}" for name in read_names(listing)] == ["root/a.b.png", "root/x.tif"]


def test_names_with_spaces_are_for_lists_that_say_where_a_name_ends(tmp_path):
    (tmp_path / "meta_info.txt").write_text("new york.v2.png (4,4,3) 1\n")
    assert read_meta_info(tmp_path) == {"new york.v2": (4, 4)}
    assert read_split_list(write(tmp_path / "split.txt", ["b/new york.v2.png"], "utf-8")) == ["b/new york.v2"]
    assert portable_name("new york.v2") == "new_york_v2"


def test_an_ending_that_is_no_images_stays_on_split_lists_alone(tmp_path):
    assert read_split_list(write(tmp_path / "split.txt", ["a/2.5", "b/3.JPG"], "utf-8")) == ["a/2.5", "b/3"]
    assert image_name("a/2.5") == "a/2"


def test_a_line_without_two_names_is_told(tmp_path):
    with pytest.raises(DataError, match=r"each line must be `HR\.png, LR\.png`; 2 are not, first: 'b\.png'"):
        read_name_pairs(write(tmp_path / "pairs.txt", ["a.png, c.png", "b.png", "a, b, c"], "utf-8"))
