"""Which keys a model type knows in each section of an option file.

BasicSR's models are in :data:`segsr_arch.config.model_tables.MODEL_KEYS`. A model class of this package or from
elsewhere takes part by a class attribute, keyed by section (``""`` is the top level)::

    option_keys = {"": {"tile": Key("mapping")}, "train": keys_of(TrainOptions)}

Keys of base classes are inherited. Without the attribute its unknown keys are accepted, its known ones checked.
"""

from typing import Any

from segsr_arch.config.model_tables import MODEL_KEYS
from segsr_arch.option_keys import Key

_KNOWN = ("basicsr", "segsr_arch")


def is_known_code(code: Any) -> bool:
    """Tell whether a class or function is of BasicSR or of this package, whatever its name."""
    return code.__module__.partition(".")[0] in _KNOWN


def is_declared(model: type | None) -> bool:
    """Tell whether all keys of a model type are known, so that any other is a mistake."""
    return model is not None and (_table(model) is not None or "option_keys" in vars(model))


def _table(cls: type) -> dict[str, dict[str, Key]] | None:
    """The table of a class of BasicSR or of this package; another package may have one of the same name."""
    return MODEL_KEYS.get(cls.__name__) if is_known_code(cls) else None


def model_keys(model: type | None, section: str) -> dict[str, Key]:
    """Collect the keys that a model type and its bases know in a section.

    Args:
        model: The model class, or ``None`` for what every model knows.
        section: ``train``, ``val``, ``path`` or ``""`` for the top level.

    Returns:
        Table of keys.
    """
    keys = dict(MODEL_KEYS["BaseModel"].get(section, {}))
    for cls in reversed(model.__mro__ if model is not None else ()):
        keys |= (_table(cls) or {}).get(section, {})
        keys |= vars(cls).get("option_keys", {}).get(section, {})
    return keys
