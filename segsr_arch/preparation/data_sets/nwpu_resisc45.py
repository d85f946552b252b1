"""NWPU-RESISC45, scenes of 45 kinds.

MSSD names it without a split: it is split as AID is, a fifth for test. The copy on Kaggle that MSSD links to has
folders train and test, which are its split then.
"""

from segsr_arch.preparation.data_set import DataSet, SeededSplit, register

register(
    DataSet(
        name="nwpu_resisc45",
        title="NWPU-RESISC45",
        content="45 classes, 31500 JPEG images of 256 x 256",
        resolution="0.2 to 30 m",
        archive="NWPU-RESISC45.rar",
        layout="<class>/<class>_NNN.jpg",
        split=SeededSplit(val=5.0),
        page="https://gcheng-nwpu.github.io/#Datasets",
        licence="the terms on its page",
        paper="G. Cheng, J. Han and X. Lu, Remote sensing image scene classification: benchmark and state of the art, "
        "Proceedings of the IEEE 2017",
    )
)
