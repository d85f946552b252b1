"""Images of one's own."""

from segsr_arch.preparation.data_set import DataSet, SeededSplit, register

register(
    DataSet(
        name="folder",
        title="Images of one's own",
        content="any images, in one folder for each class if there are classes",
        archive=None,
        layout="a folder or .zip with images, in one folder for each class if there are classes",
        split=SeededSplit(val=0.1),
        classes="path",
    )
)
