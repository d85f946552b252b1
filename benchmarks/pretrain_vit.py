"""Pretrain a small vision-language model on the training images of a prepared data set, with their classes as captions.

    python benchmarks/pretrain_vit.py datasets/UCMerced vlm
    python benchmarks/pretrain_vit.py datasets/UCMerced trial --epochs 1       how long does an epoch take?

For machines that cannot get CLIP's weights, and for asking whether knowledge of scenes helps at all. OUT then holds
``NAME.safetensors`` (both towers), ``NAME.json`` (the configuration) and ``NAME.record.json`` (how it was made, what it
knows); the YAML that uses them is printed at the end. Each file is whole or not there; the record is written last.

Choices and their reasons:

- Crops are cut from the prepared LR images and brought up bilinearly, because that is all that the tower sees in
  super-resolution; ``--degraded 0.5`` takes every other crop from the HR image.
- Crops have 128 pixels (``image_size``): what LR patches of 32 become at x4, and a quarter of the work of 256. Whole
  images of 256, as in validation, stretch the position embedding by two, so a share ``--large`` of the batches does it,
  too: after 8 epochs on 128 alone, 46 % of whole images were classified right, and 60 % of their middles.
- A batch holds at most one image of a class. With two, the caption of one would be a false negative of the other.
- The text tower reads 32 tokens, not 77: enough for a class name in a sentence. Words that are in no caption keep
  random embeddings, so ``segsr explain`` can only be trusted with the terms that the record lists.
- The network after the last epoch is the result. A run measures validation images once and selects nothing by them.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import open_clip
from pretrain_vit_measures import NEIGHBOURS, TEMPERATURE, measure
from pretrain_vit_scenes import Scene, check_sizes, read_manifest, read_scenes
from pretrain_vit_training import LARGER, train_model
from safetensors.torch import save

from segsr_arch.errors import ConfigError, DataError, SegsrError
from segsr_arch.evaluation.vocabulary import DEFAULT_FILE, DEFAULT_TEMPLATES, Vocabulary, read_terms, words_of_class
from segsr_arch.files.atomic import atomic_write
from segsr_arch.files.text_files import make_folder, write_json
from segsr_arch.results.provenance import describe_run, split_digest
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.vision_tower import build_vision_tower, check_available, model_config, resolve_configuration

DEFAULT_MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 128, "layers": 4, "width": 192, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2},
    "quick_gelu": True,
}
_NO_LORA = {"lora_targets": "none", "num_heads": 1, "metanet_reduction": 1}


def read_configuration(model: str | None, scale: int) -> dict:
    """Read and complete a configuration.

    Args:
        model: Path of a configuration file or open_clip name; ``None`` takes :data:`DEFAULT_MODEL`.
        scale: Of the LR images.

    Returns:
        ``model_cfg`` and ``preprocess_cfg``, as ``semantics: vlm`` takes them.

    Raises:
        ConfigError: If it is not known, is no plain ViT, or its image_size is no multiple of the scale.
    """
    vlm = DEFAULT_MODEL if model is None else model
    check_available(SemanticsConfig(vlm=vlm, pretrained=None, **_NO_LORA))
    _, _, content = resolve_configuration(vlm)
    size = model_config(content)["vision_cfg"].get("image_size")
    if not isinstance(size, int) or size % scale:
        raise ConfigError(f"--model: vision_cfg: image_size must be a multiple of the scale {scale}, got {size!r}")
    given = content.get("preprocess_cfg", {})
    preprocessing = {
        "mean": list(given.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        "std": list(given.get("std") or open_clip.OPENAI_DATASET_STD),
    }
    return {"model_cfg": dict(model_config(content)), "preprocess_cfg": preprocessing}


def build_captions(train: Sequence[Scene], val: Sequence[Scene]) -> tuple[list[str], Vocabulary]:
    """Put the classes into words, spelled as in the default vocabulary of ``segsr explain`` (``golf course``) if there.

    Returns:
        The sorted class names of the training images, and their words in the same order.

    Raises:
        DataError: If a validation image is of another class, or two classes have the same words.
        ConfigError: If there are fewer than two classes.
    """
    classes = sorted({scene.label for scene in train})
    for scene in val:
        if scene.label not in classes:
            raise DataError(f"{scene.name}: no training image is of its class {scene.label}")
    spellings = {term.replace(" ", "").casefold(): term for term in read_terms(DEFAULT_FILE)}
    words = [words_of_class(name) for name in classes]
    words = tuple(spellings.get(term.replace(" ", ""), term) for term in words)
    for position, term in enumerate(words):
        if term in words[:position]:
            raise DataError(
                f"classes {classes[words.index(term)]} and {classes[position]} would both be called {term!r}"
            )
    return classes, Vocabulary(terms=words, templates=DEFAULT_TEMPLATES, source="classes of the training images")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder that segsr prepare has written")
    parser.add_argument("out", type=Path, help="folder of the model")
    parser.add_argument("--name", default="scene_vit", help="of the model's files (default: scene_vit)")
    parser.add_argument("--model", help="configuration file with text_cfg (default: a ViT of 2 million parameters)")
    parser.add_argument("--scale", type=int, default=4, help="of the prepared LR images (default: 4)")
    parser.add_argument("--degraded", type=float, default=1.0, help="share of crops from LR images (default: 1)")
    parser.add_argument(
        "--large", type=float, default=0.15, help="share of batches of crops twice as wide (default: 0.15)"
    )
    parser.add_argument("--epochs", type=int, default=40, help="(default: 40)")
    parser.add_argument("--batch", type=int, default=32, help="at most so many classes a batch (default: 32)")
    parser.add_argument("--lr", type=float, default=1e-3, help="highest learning rate (default: 1e-3)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=Path, nargs="+", default=[], metavar="LIST", help="lists never to train on")
    parser.add_argument("--overwrite", action="store_true", help="replace a model of that name")
    return parser


def _check_options(options: argparse.Namespace) -> None:
    right = {
        "--degraded must be in [0, 1]": 0 <= options.degraded <= 1,
        "--large must be in [0, 1]": 0 <= options.large <= 1,
        "--epochs must be at least 1": options.epochs >= 1,
        "--batch must be at least 2: a contrast needs two classes": options.batch >= 2,
        "--lr must be a number above 0": 0 < options.lr < math.inf,
        "--seed must be at least 0": options.seed >= 0,
        "--name must be a plain file name": options.name == Path(options.name).name and options.name not in ("", ".."),
    }
    for sentence, holds in right.items():
        if not holds:
            raise ConfigError(sentence)


def pretrain(options: argparse.Namespace) -> dict:
    """Pretrain, write, and measure what was written; gives the record.

    Raises:
        SegsrError: If the data, the configuration or the folder are not as they must be, or the loss diverges.
    """
    _check_options(options)
    files = {kind: options.out / f"{options.name}{kind}" for kind in (".safetensors", ".json", ".record.json")}
    existing = [str(path) for path in files.values() if path.exists()]
    if existing and not options.overwrite:
        raise ConfigError(f"{', '.join(existing)}: exists; give another OUT or --name, or --overwrite")
    content = read_configuration(options.model, options.scale)
    size = content["model_cfg"]["vision_cfg"]["image_size"]
    manifest = read_manifest(options.data, options.held_out)
    read = {"root": options.data, "manifest": manifest, "scale": options.scale}
    train = read_scenes(split="train", sides=("LR",) if options.degraded == 1 else ("LR", "HR"), **read)
    val = read_scenes(split="val", sides=("LR",), **read)
    check_sizes(val, size=size, scale=options.scale)
    check_sizes(train, size=size * (LARGER if options.large else 1), scale=options.scale)
    classes, vocabulary = build_captions(train, val)
    views = {"train": train, "val": val, "vocabulary": vocabulary, "scale": options.scale, "size": size}
    # Measured first, so that whatever does not fit is said before the training and not after it.
    random = SemanticsConfig(vlm=content, pretrained=None, random_seed=options.seed, **_NO_LORA)
    accuracy = {"chance": 1 / len(classes), "random": measure(random, **views)}
    make_folder(options.out)
    start, start_processor = time.perf_counter(), time.process_time()
    model, curve = train_model(content, train, classes=classes, vocabulary=vocabulary, options=options)
    seconds = {"wall": time.perf_counter() - start, "processor": time.process_time() - start_processor}
    files[".record.json"].unlink(missing_ok=True)  # it speaks of the weights that are replaced now
    with atomic_write(files[".safetensors"]) as file:
        file.write(save({name: value.contiguous() for name, value in model.state_dict().items()}))
    write_json(files[".json"], content)
    trained = SemanticsConfig(vlm=str(files[".json"]), pretrained=str(files[".safetensors"]), **_NO_LORA)
    accuracy["trained"] = measure(trained, **views)
    identity = build_vision_tower(trained).identity
    run = describe_run(images=(), seed=options.seed, checkpoint=files[".safetensors"], vlm=str(identity))
    record = {
        **{key: value for key, value in run.items() if key not in ("split_digest", "data_digest")},
        "data": {
            "data_digest": manifest["data_digest"],
            "train": {"images": len(train), "split_digest": split_digest(scene.name for scene in train)},
            "val": {"images": len(val), "split_digest": split_digest(scene.name for scene in val)},
        },
        "options": {key: value for key, value in vars(options).items() if key not in ("data", "out", "held_out")},
        "configuration": content,
        "vision_digest": identity.digest,
        "terms": dict(zip(classes, vocabulary.terms, strict=True)),
        "templates": vocabulary.templates,
        "loss_curve": curve,
        "seconds": seconds,
        "knn": {"neighbours": NEIGHBOURS, "temperature": TEMPERATURE},
        "accuracy": accuracy,
    }
    write_json(files[".record.json"], record)
    return record


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 after an error that was explained, 130 after Ctrl-C."""
    options = build_parser().parse_args(argv)
    try:
        record = pretrain(options)
    except SegsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. Nothing is half written; the same command starts anew.", file=sys.stderr)
        return 130
    curve, accuracy = record["loss_curve"], record["accuracy"]
    print(f"loss {curve[0]:.3f} -> {curve[-1]:.3f}; top-1 accuracy by chance {accuracy['chance']:.3f}")
    for weights in ("random", "trained"):
        for view, figures in accuracy[weights].items():
            print(f"{weights:8} {view:6}" + "".join(f" {name} {found['top1']:.3f}" for name, found in figures.items()))
    base = options.out / options.name
    print(f"semantics:\n  vlm: {json.dumps(f'{base}.json')}\n  pretrained: {json.dumps(f'{base}.safetensors')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
