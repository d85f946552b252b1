"""Samples and images at which a run fails are named."""

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.running.failures import name_samples, naming_image


def repair_sample_errors():
    """Name the files of a sample that a data set cannot make.

    Cause: what a data set raises does not say at which of its thousands of images ("Scale mismatches. GT (128, 128) is
    not 4x multiplication of LQ (33, 32).").

    Returns:
        True if it was stock.
    """
    from basicsr import data

    stock = data.build_dataset
    if not is_stock(stock, "DATASET_REGISTRY", "deepcopy"):
        return False

    def build_dataset(dataset_opt):
        dataset = stock(dataset_opt)
        name_samples(type(dataset))
        return dataset

    substitute(stock, build_dataset)
    return True


def repair_validation_errors():
    """Name the image at which a validation or test fails.

    Cause: what a network or a metric raises does not say at which image, hours into a training.

    Returns:
        True if it was stock.
    """
    from basicsr.models.base_model import BaseModel

    stock = BaseModel.validation
    if not is_stock(stock, "nondist_validation") or hasattr(stock, "__wrapped__"):
        return False
    BaseModel.validation = naming_image(stock)
    return True
