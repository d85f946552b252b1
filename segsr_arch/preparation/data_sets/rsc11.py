"""RS_C11, eleven kinds of scenes."""

from segsr_arch.preparation.data_set import EVERY_IMAGE, DataSet, SeededSplit, register

register(
    DataSet(
        name="rsc11",
        title="RS_C11",
        content="11 classes, 1232 TIFF images of 512 x 512",
        resolution="0.2 m",
        archive="RS_C11_Database.zip",
        layout="<class>/<image>.tif",
        split=SeededSplit(val=0, test=EVERY_IMAGE),
        page="https://www.researchgate.net/publication/271647282_RS_C11_Database",
        licence="the terms on its page",
        paper="L. Zhao, P. Tang and L. Huo, Feature significance-based multibag-of-visual-words model for remote "
        "sensing image scene classification, Journal of Applied Remote Sensing 2016",
    )
)
