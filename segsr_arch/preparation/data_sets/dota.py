"""DOTA, large images in which objects are to be found.

Versions 1.0 and 1.5 have the same images; those of 2.0 come in addition. MSSD names it without a version or a split
and crops 600 x 600: tiles of that side are cut. The official folders are the split; where there is one alone, whole
images are divided by the seeded rule. All tiles of an image are in its split.
"""

from segsr_arch.preparation.data_set import DataSet, SeededSplit, register

register(
    DataSet(
        name="dota",
        title="DOTA",
        content="2806 PNG images of about 800 x 800 to 20000 x 20000 in versions 1.0 and 1.5, more in 2.0",
        resolution="varying resolution",
        archive="train/part*.zip, val/part*.zip, test/part*.zip",
        layout="train/images/P0000.png, val/images/P0003.png and so on",
        split=SeededSplit(val=0.1),
        classes="none",
        beside=(".txt",),
        parts=True,
        tile=600,
        page="https://captain-whu.github.io/DOTA/dataset.html",
        licence="academic purposes only, no commercial use; the terms of Google Earth for its images",
        paper="G.-S. Xia et al., DOTA: a large-scale dataset for object detection in aerial images, CVPR 2018",
    )
)
