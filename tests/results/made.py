"""Evaluation records for tests."""

from segsr_arch.results.record import Column, EvaluationRecord, ImageRow

PSNR = Column(name="psnr_y-crop", metric="psnr", protocol="y-crop", unit="dB", label="PSNR", backend="test")
SAM = Column(name="sam", metric="sam", better="lower", unit="rad", backend="test")


def make_record(method="ours", *, psnr, sam=None, digest="d", **more):
    """A record with a PSNR by image name, and perhaps a SAM; the class is the letters of the name.

    The ground truth of every image has the digest given.
    """
    rows = tuple(
        ImageRow(
            name=name,
            class_name=name.rstrip("0123456789"),
            gt_digest=digest,
            values={"psnr_y-crop": value} | ({"sam": sam[name]} if sam and name in sam else {}),
        )
        for name, value in sorted(psnr.items())
    )
    columns = (PSNR, SAM) if sam else (PSNR,)
    given = {"dataset": "made", "scale": 4} | more
    return EvaluationRecord(method=method, columns=columns, images=rows, **given)
