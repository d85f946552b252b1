"""WHU-RS19, scenes of nineteen kinds."""

from segsr_arch.preparation.data_set import EVERY_IMAGE, DataSet, SeededSplit, register

register(
    DataSet(
        name="whu_rs19",
        title="WHU-RS19",
        content="19 classes, 1005 JPEG images of 600 x 600",
        resolution="up to 0.5 m",
        archive="WHU-RS19.zip",
        layout="<Class>/<image>.jpg",
        split=SeededSplit(val=0, test=EVERY_IMAGE),
        page="https://captain-whu.github.io/BED4RS/",
        licence="the terms on its page",
        paper="D. Dai and W. Yang, Satellite image classification via two-layer sparse coding with biased image "
        "representation, IEEE GRSL 2011",
    )
)
