"""What a reader of a guide's maps, words and classes must know of its options."""

from segsr_arch.semantics import SemanticsConfig

_TOKENS = {
    "centred": "minus what tokens have in common",
    "reduced": "minus what tokens have in common and their first principal directions",
    "whitened": "minus what tokens have in common, all directions of about the same variance",
}


def guide_notes(config: SemanticsConfig) -> tuple[str, ...]:
    """Say what differs from the paper's guide in what is shown of one.

    Args:
        config: Its options.

    Returns:
        Sentences; none for the paper's guide.
    """
    notes = []
    if config.tokens != "raw":
        notes.append(
            f"Embeddings are compared with patches {_TOKENS[config.tokens]} (semantics: tokens: {config.tokens}). So "
            f"are the terms beside an embedding: minus their mean over the vocabulary, changed as patches are. The "
            f"terms beside patches are compared with the patches' own tokens."
        )
    if config.earlier_tokens:
        notes.append(
            f"Patches are the sum of the last tokens and of those {config.earlier_tokens} before (semantics: "
            f"earlier_tokens), which nobody has trained to lie near words."
        )
    if config.standardised_maps:
        notes.append(
            "Units get each map at mean 0 and deviation 1 (semantics: standardised_maps): mean and spread are those of "
            "the cosines before. Classes that raise a map's mean say what the unit is near to, not what it is told."
        )
    if config.maps == "shuffled":
        notes.append("Units get maps of other images (semantics: maps: shuffled); these are the images' own.")
    if config.maps == "oracle":
        notes.append("The vision tower sees the HR images (semantics: maps: oracle).")
    return tuple(notes)
