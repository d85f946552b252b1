"""UC Merced Land Use."""

from segsr_arch.preparation.data_set import DataSet, register

register(
    DataSet(
        name="ucmerced",
        title="UC Merced Land Use",
        content="21 classes, 2100 TIFF images of 256 x 256",
        resolution="0.3 m",
        archive="UCMerced_LandUse.zip",
        layout="Images/<class>/<class>NN.tif",
        split=None,
        listed=(1470, 105, 525),
        page="http://weegee.vision.ucmerced.edu/datasets/landuse.html",
        licence="public domain (imagery of the USGS National Map)",
        paper="Y. Yang and S. Newsam, Bag-of-visual-words and spatial extensions for land-use classification, ACM GIS "
        "2010",
    )
)
