"""Option mappings that the check has nothing to say about, for tests to break."""

import copy

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
    """What the check looks at in an LMDB folder: the list of images, and that there is data beside it."""
    folder.mkdir(parents=True)
    (folder / "data.mdb").write_bytes(b"")
    lines = [f"{name}.png ({height},{width},3) 1\n" for name, (height, width) in sizes.items()]
    (folder / "meta_info.txt").write_text("".join(lines))
    return str(folder)
