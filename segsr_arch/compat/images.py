"""Images that do not decode are named."""

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import DataError


class ImageReadError(DataError):
    """An image is missing from its LMDB or does not decode."""

    def __init__(self, message):
        # A DataLoader rebuilds a worker's exception from its printed traceback; only our own words are kept.
        super().__init__(str(message).rpartition(f"{type(self).__name__}: ")[2].strip())


class SourcedBytes(bytes):
    """File contents that know where they come from, in ``source``."""

    source = None


def _sourced(stock):
    """Wrap ``FileClient.get`` so that contents carry their source."""

    def get(self, filepath, client_key="default"):
        content = stock(self, filepath, client_key)
        source = str(filepath)
        if self.backend == "lmdb":
            folders = dict(zip(self.client._client, self.client.db_paths, strict=True))
            source = f"{source} in {folders[client_key]}"
            if content is None:
                raise ImageReadError(f"There is no {source}, although its meta_info.txt lists it. Prepare it anew.")
        content = SourcedBytes(content)
        content.source = source
        return content

    return get


def _checked(stock):
    """Wrap ``imfrombytes`` so that it names what does not decode."""

    def imfrombytes(content, flag="color", float32=False):
        image = stock(content, flag) if content else None  # OpenCV has an exception of its own for no bytes at all
        if image is None:
            source = getattr(content, "source", "An image")
            raise ImageReadError(
                f"{source} does not decode: it is empty, cut short, or no image. Replace it, or remove it together "
                "with its partner."
            )
        return image.astype("float32") / 255.0 if float32 else image

    return imfrombytes


def repair_image_errors():
    """Name the image that does not decode.

    Cause: OpenCV returns None for it, and ``imfrombytes`` passes that on, which ends in "'NoneType' object has no
    attribute 'astype'" without a path.

    Returns:
        True if it was stock.
    """
    from basicsr.utils import img_util
    from basicsr.utils.file_client import FileClient

    stock = img_util.imfrombytes
    if not (is_stock(stock, "imdecode") and is_stock(FileClient.get, "backend")):
        return False
    FileClient.get = _sourced(FileClient.get)
    substitute(stock, _checked(stock))
    return True
