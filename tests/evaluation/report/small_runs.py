"""Small evaluations in folders, as ``segsr evaluate`` leaves them."""

import numpy as np

from segsr_arch.results.classes import class_of
from segsr_arch.results.record import Column, Cost, EvaluationRecord, ImageRow
from segsr_arch.results.references import ImageReference
from segsr_arch.results.writing import write_record
from tests.support import write_image

PSNR = Column(name="psnr_y-crop", metric="psnr", protocol="y-crop", unit="dB", decimals=2, backend="segsr 0.1")
LPIPS = Column(name="lpips", metric="lpips", better="lower", decimals=4)
RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # BGR


def make_record(method, values, *, columns=(PSNR,), rows=None, **fields):
    """A record without files; ``values``: by image name a number (of the first column) or a mapping by column."""
    rows = rows or {}
    images = tuple(
        ImageRow(
            name=name,
            class_name=class_of(name),
            values=value if isinstance(value, dict) else {columns[0].name: value},
            **rows.get(name, {}),
        )
        for name, value in values.items()
    )
    fields = {"dataset": "Small", "scale": 4, "columns": columns, "images": images, **fields}
    return EvaluationRecord(method=method, **fields)


def plain_image(colour, side=64):
    """One colour."""
    return np.full((side, side, 3), colour, np.uint8)


def write_run(root, method, values, *, colour, maps=False, folder=None, data=None, **fields):
    """An evaluation with images of one colour (HR green, LR grey) in ``root/<method>``; returns its folder."""
    folder = root / (folder or method)
    data = data or root / "data"
    rows = {}
    for name in values:
        sr = write_image(folder / "images" / f"{name}.png", plain_image(colour))
        gt = write_image(data / "HR" / f"{name}.png", plain_image(GREEN))
        lq = write_image(data / "LR" / f"{name}.png", plain_image((128, 128, 128), side=16))
        rows[name] = {place: ImageReference(path=str(path)) for place, path in (("sr", sr), ("gt", gt), ("lq", lq))}
        if maps:
            # unit 1 low everywhere, unit 2 high everywhere
            cosines = np.stack([np.full((4, 4), -0.25), np.full((4, 4), 0.75)]).astype(np.float16)
            path = folder / "maps" / f"{name}.npz"
            path.parent.mkdir(exist_ok=True)
            np.savez(path, maps=cosines, cells_per_pixel=0.25)
            rows[name]["maps"] = ImageReference(path=str(path))
    record = make_record(method, values, rows=rows, **fields)
    write_record(folder / "evaluation" / record.dataset, record)
    return folder


COST = Cost(parameters=3_030_000, trainable=1_030_000, macs=None, seconds=0.208, lr_size=(64, 64), device="cpu")
