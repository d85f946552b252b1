import os

import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes.many.jobs import SceneTask, find_tasks, parse_shard, shard_of, source_kind


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with scenes, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.tif", "b.JP2", "deep/c.png", "deep/er/d.tiff"):
        make(tmp_path / "in" / name)
    for name in (
        "a.tif.aux.xml",
        "a.json",
        "notes.txt",
        ".hidden.tif",
        ".a.tif.12-ab.partial",
        ".cache/x.tif",
        "m.vrt",
    ):
        make(tmp_path / "in" / name)
    return tmp_path


def make(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def pairs(*args, **options):
    return [(task.src, task.dst.as_posix()) for task in find_tasks(*args, **options)]


def test_a_folder_gives_its_rasters_with_their_names_below_it(place):
    assert pairs("in", "out") == [
        ("in/a.tif", "out/a.tif"),
        ("in/b.JP2", "out/b.tif"),
        ("in/deep/c.png", "out/deep/c.tif"),
        ("in/deep/er/d.tiff", "out/deep/er/d.tif"),
    ]


def test_outputs_that_would_share_the_raster_of_their_spread_are_refused(place):
    make(place / "two/r.png")
    make(place / "two/r.tif")
    like_the_source = {"suffix": lambda name: name[-4:]}
    assert len(pairs("two", "out", **like_the_source)) == 2
    with pytest.raises(DataError, match=r"out/r.spread.tif: the destination of two/r.png and two/r.tif; rename"):
        pairs("two", "out", options={"ensemble": True}, **like_the_source)


def test_the_spread_of_an_earlier_output_is_no_scene(place):
    for name in ("a.spread.tif", "b.spread.tif", "a.tif.json"):
        make(place / "in" / name)
    assert [src for src, _ in pairs("in", "out")][:3] == ["in/a.tif", "in/b.JP2", "in/b.spread.tif"]


def test_options_and_the_ending_are_those_that_are_asked_for(place):
    assert find_tasks("in/a.tif", "out/", suffix=".png", options={"tile": 32}) == [
        SceneTask(src="in/a.tif", dst=place.joinpath("out/a.png").relative_to(place), options={"tile": 32})
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*.tif", [("in/a.tif", "out/a.tif")]),
        ("in/*.vrt", [("in/m.vrt", "out/m.tif")]),
        ("in/d*/*.png", [("in/deep/c.png", "out/deep/c.tif")]),
        ("in/**/*.tif*", [("in/a.tif", "out/a.tif"), ("in/deep/er/d.tiff", "out/deep/er/d.tif")]),
    ],
)
def test_a_glob_gives_its_files_seen_from_its_fixed_part(place, pattern, expected):
    (place / "in/a.tif.aux.xml").unlink()
    assert pairs(pattern, "out") == expected


def test_a_glob_from_the_root_or_from_here(place):
    assert pairs(f"{place}/in/a.*f", "out") == [(f"{place}/in/a.tif", "out/a.tif")]
    assert pairs("i*/a.tif", "out") == [("in/a.tif", "out/in/a.tif")]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(place):
    make(place / "x[1].tif")
    assert source_kind("x[1].tif") == "scene"
    assert pairs("x[1].tif", "y.tif") == [("x[1].tif", "y.tif")]


def test_one_scene_goes_to_a_file_or_into_a_folder(place):
    assert pairs("in/b.JP2", "out.tif") == [("in/b.JP2", "out.tif")]
    assert pairs("in/b.JP2", "new/") == [("in/b.JP2", "new/b.tif")]
    (place / "there").mkdir()
    assert pairs("in/b.JP2", "there") == [("in/b.JP2", "there/b.tif")]


@pytest.mark.parametrize(
    ("src", "name"),
    [
        ("/vsizip/a.zip/inner/b04.jp2", "b04.tif"),
        ("/vsicurl/https://example.org/x.tif?token=*", "x.tif"),
        ("s3://bucket/tile/T32.tif", "T32.tif"),
        ('NETCDF:"data/f.nc":band', "f.nc_band.tif"),
    ],
)
def test_what_only_gdal_knows_is_one_scene_with_a_name(place, src, name):
    assert source_kind(src) == "scene"
    assert pairs(src, "out/") == [(src, f"out/{name}")]


def test_a_name_that_cannot_be_made_is_asked_for(place):
    with pytest.raises(ConfigError, match=r"^s3://bucket/\.\.\.: no name for a file can be made of it"):
        find_tasks("s3://bucket/...", "out/")


def write_manifest(place, text, name="list/scenes.csv"):
    path = place / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def test_a_manifest_lists_scenes_as_seen_from_its_folder(place):
    name = write_manifest(
        place,
        "note, dst ,src\nfirst,x.tif,../in/deep/c.png\n\n,/abs/y.tif,/vsizip/a.zip/b.tif\n,../z.tif,../in/a.tif\n",
    )
    assert pairs(name, None) == [
        ("list/../in/deep/c.png", "list/x.tif"),
        ("/vsizip/a.zip/b.tif", "/abs/y.tif"),
        ("list/../in/a.tif", "list/../z.tif"),
    ]


def test_a_manifest_without_destinations_needs_a_folder(place):
    name = write_manifest(place, "src\n../in/a.tif\n../in/b.JP2\n".encode("utf-16"))
    assert pairs(name, "out") == [("list/../in/a.tif", "out/a.tif"), ("list/../in/b.JP2", "out/b.tif")]
    with pytest.raises(ConfigError, match="has no column dst; add it, or give a folder for all"):
        find_tasks(name, None)


@pytest.mark.parametrize(
    ("text", "dst", "message"),
    [
        ("", None, r"scenes.csv: an empty manifest; its first line is src,dst"),
        ("src,dst\n", None, "lists no scene below its first line"),
        ("a.tif,b.tif\n", None, r"its first line must name the columns src,dst; got 'a.tif,b.tif'\."),
        ("SRC,dst\na,b\n", None, r"got 'SRC,dst' \(did you mean src by 'SRC'\?\)"),
        ("src,dst,src\na,b,c\n", None, "must name the columns"),
        (
            "src,dst\na.tif,b.tif\nc.tif\n,d.tif\ne.tif,f.tif,g\n",
            None,
            r"names 2 columns, src,dst; not so filled: line 3, 4, 5\.",
        ),
        ('src,dst\n"a.tif,b.tif\n', None, r"line 2: is no CSV"),
        ("src,dst\na.tif,b.tif\n", "out", "has a column dst, and out is given as well"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_told(place, text, dst, message):
    with pytest.raises((ConfigError, DataError), match=message):
        find_tasks(write_manifest(place, text), dst)


def test_all_that_cannot_be_done_is_told_at_once(place):
    (place / "list/folder.tif").mkdir(parents=True)
    (place / "list/link.tif").symlink_to(place / "in/a.tif")
    name = write_manifest(
        place,
        "src,dst\n../in/a.tif,one.tif\nnone.tif,two.tif\n../in/b.JP2,./one.tif\n../in/a.tif,link.tif\n"
        "../in/deep/c.png,folder.tif\n../in/deep/er/d.tiff,../in/a.tif\n../in/b.JP2,x.jp2\n",
    )
    with pytest.raises(DataError) as caught:
        find_tasks(name, None)
    assert str(caught.value).splitlines() == [
        "list/scenes.csv: nothing was begun, since not all of it can be done:",
        "  list/none.tif does not exist",
        "  list/../in/a.tif: is its own destination; choose another folder or name",
        "  list/../in/deep/c.png: its destination list/folder.tif is a folder",
        "  list/../in/deep/er/d.tiff: its destination list/../in/a.tif is a source",
        "  list/x.jp2: a raster is written as one of .tif, .tiff, .png, .jpg, .jpeg; choose another ending",
        "  list/one.tif: the destination of list/../in/a.tif and list/../in/b.JP2; rename all but one",
        "  list/link.tif: the destination of list/../in/a.tif and list/../in/deep/er/d.tiff; rename all but one",
    ]


def test_many_problems_are_counted(place):
    name = write_manifest(place, "src,dst\n" + "".join(f"no{number}.tif,{number}.tif\n" for number in range(30)))
    with pytest.raises(DataError) as caught:
        find_tasks(name, None)
    assert len(str(caught.value).splitlines()) == 22 and str(caught.value).endswith("\n  and 10 more")


def test_two_sources_of_one_name_and_a_link_to_nothing_are_told(place):
    make(place / "in/a.png")
    (place / "in/gone.tif").symlink_to("nowhere")
    with pytest.raises(DataError) as caught:
        find_tasks("in", "out")
    assert str(caught.value).splitlines()[1:] == [
        "  in/gone.tif: a link to nothing; left out",
        "  out/a.tif: the destination of in/a.png and in/a.tif; rename all but one",
    ]


@pytest.mark.parametrize(
    ("src", "dst"), [("in", "in"), ("in", "in/out"), ("in/**/*.tif", "in/deep/new"), ("in", "link")]
)
def test_scenes_do_not_become_sources_of_the_next_run(place, src, dst):
    os.symlink("in", "link")
    with pytest.raises(ConfigError, match=f"^{dst}: lies in in, and would be a source itself; choose a folder outside"):
        find_tasks(src, dst)


def test_a_glob_whose_files_would_be_replaced_is_refused(place):
    with pytest.raises(DataError, match="in/a.tif: is its own destination"):
        find_tasks("in/*.tif", "in")


@pytest.mark.parametrize(
    ("src", "dst", "message"),
    [
        ("in/a.tiff", "out.tif", r"^in/a\.tiff does not exist; the nearest is a\.tif: .*\.$"),
        ("in/a.tif", "in/a.tif", r"^in/a\.tif: is its own destination; choose another folder or name\.$"),
        ("in/a.tif", None, "say where it is to go"),
        ("in", "in/a.tif", "in/a.tif: is a file; give a folder for several scenes"),
        ("in/*.bmp", "out", r"in/\*.bmp: no file matches \(looked from "),
        ("empty", "out", "empty: holds no scene, which are known by .tif .tiff"),
    ],
)
def test_what_makes_no_sense_is_refused(place, src, dst, message):
    (place / "empty").mkdir()
    with pytest.raises((ConfigError, DataError), match=message):
        find_tasks(src, dst)


def test_shares_are_disjoint_and_together_all(place):
    tasks = find_tasks("in", "out")
    shares = [shard_of(tasks, parse_shard(f"{number}/3")) for number in (1, 2, 3)]
    assert [len(share) for share in shares] == [2, 1, 1]
    assert shares[0] == [tasks[0], tasks[3]]
    assert sorted(task.src for share in shares for task in share) == [task.src for task in tasks]
    assert shard_of(tasks, parse_shard("5/5")) == []


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/3/4", "1.0/3", "", "²/3"])
def test_shares_that_are_none_are_refused(text):
    with pytest.raises(ConfigError, match=r"give i/n, the i-th of n shares, from 1/n to n/n, such as 1/8"):
        parse_shard(text)
