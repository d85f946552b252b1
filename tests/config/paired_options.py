"""Option mappings that the check has nothing to say about, for tests to break."""

import copy

import cv2
import lmdb
import numpy as np

from tests.cli.runs import make_options, make_pairs


def good_train(folder):
    """Options of a training that would start, on eight pairs below ``folder``."""
    make_pairs(folder)
    return make_options(folder, val_freq=4)


def good_test(folder):
    """The same as a test run."""
    opt = good_train(folder)
    return {
        **{key: opt[key] for key in ("name", "model_type", "scale", "num_gpu", "network_g", "path")},
        "datasets": {"test_1": opt["datasets"]["val"]},
        "val": {"save_img": True, "suffix": None, "metrics": opt["val"]["metrics"]},
    }


def changed(opt, path, value):
    """A copy with one key set; ``...`` removes it. Section and key names are separated by colons."""
    opt = copy.deepcopy(opt)
    *sections, key = path.split(":")
    section = opt
    for name in sections:
        section = section[name]
    if value is ...:
        del section[key]
    else:
        section[key] = value
    return opt


def make_lmdb(folder, sizes):
    """An LMDB that lists images of these sizes; the check looks at its list, its pages and a few headers."""
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for name, (height, width) in sizes.items():
            png = cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1]
            transaction.put(name.encode(), png.tobytes())
    lines = [f"{name}.png ({height},{width},3) 1\n" for name, (height, width) in sizes.items()]
    (folder / "meta_info.txt").write_text("".join(lines), encoding="utf-8")
    return str(folder)
