"""AID, the Aerial Image Dataset."""

from segsr_arch.preparation.data_set import DataSet, SeededSplit, register

register(
    DataSet(
        name="aid",
        title="AID",
        content="30 classes, 10000 JPEG images of 600 x 600",
        resolution="0.5 to 8 m",
        archive="AID.zip",
        layout="<Class>/<class>_N.jpg",
        split=SeededSplit(val=5.0),
        page="https://captain-whu.github.io/AID/",
        licence="the terms on its page",
        paper="G.-S. Xia et al., AID: a benchmark data set for performance evaluation of aerial scene classification, "
        "IEEE TGRS 2017",
    )
)
