"""RSSCN7, seven kinds of scenes at four scales."""

from segsr_arch.preparation.data_set import EVERY_IMAGE, DataSet, SeededSplit, register

register(
    DataSet(
        name="rsscn7",
        title="RSSCN7",
        content="7 classes, 2800 JPEG images of 400 x 400",
        resolution="four scales",
        archive="RSSCN7-master.zip",
        layout="<class>/<image>.jpg",
        beside=(".md",),
        split=SeededSplit(val=0, test=EVERY_IMAGE),
        page="https://github.com/palewithout/RSSCN7",
        licence="the terms on its page",
        paper="Q. Zou et al., Deep learning based feature selection for remote sensing scene classification, "
        "IEEE GRSL 2015",
    )
)
