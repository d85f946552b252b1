"""Preparation of a data set: from a folder or archive of images to HR and LR images, LMDBs, lists and a manifest."""

from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from segsr_arch.errors import DataError
from segsr_arch.files.atomic import is_partial
from segsr_arch.images.errors import Finding
from segsr_arch.preparation.databases import update_databases
from segsr_arch.preparation.manifest import PreparedImage, build_manifest, write_manifest, write_split_lists
from segsr_arch.preparation.options import Outcome, PreparationOptions
from segsr_arch.preparation.plan import PlannedImage, plan_images
from segsr_arch.preparation.problems import Kind, ProblemList
from segsr_arch.preparation.record import PreparationRecord
from segsr_arch.preparation.splits import PRECEDENCE, SPLITS, read_splits
from segsr_arch.preparation.worker import SIDES, Inspection, Job, Workshop, digest_bytes
from segsr_arch.running.progress import progress
from segsr_arch.running.worker_pool import WorkerPool
from segsr_arch.sources.image_sources import ImageSource


def _settings(options: PreparationOptions, listed: dict[str, str] | None, split_folders: tuple[str, ...]) -> dict:
    """What every run on one folder must share."""
    if split_folders:
        rule = {"rule": "folders", "folders": list(split_folders)}
    elif listed is None:
        rule = {"rule": "seeded", "seed": options.seed, "val": options.val, "test": options.test}
    else:
        lines = "".join(f"{split} {name}\n" for name, split in sorted(listed.items()))
        rule = {"rule": "lists", "digest": digest_bytes(lines.encode())}
    used = {"range": options.conversion.value_range, "bands": options.conversion.bands}
    return {"data_set": options.data_set, "split": rule, "patch": options.patch, **used}


def _inspect_all(
    planned: list[PlannedImage], pool: WorkerPool[Workshop], record: PreparationRecord, problems: ProblemList
) -> tuple[dict[str, Inspection], list[str]]:
    """Look at every source image; give what was found, by path, and which changed since an earlier run."""
    known = {}
    for image in planned:
        earlier = record.get("inspected", image.path)
        known[image.path] = None if earlier is None else Inspection.from_record(earlier)
    tasks = [(image.path, known[image.path]) for image in planned]
    found, changed = {}, []
    inspections = pool.run(Workshop.inspect, tasks, chunk=8)
    for inspection in progress(inspections, total=len(tasks), what="inspecting", unit="image", keep=False):
        found[inspection.path] = inspection
        earlier = known[inspection.path]
        if earlier is not None and earlier.file_digest != inspection.file_digest:
            changed.append(inspection.path)
        record.note(inspection.as_record(), "inspected", inspection.path)
        for kind, sentence in inspection.notes:
            problems.add(inspection.path, Finding(kind), sentence)
    for key in record.keys("inspected"):
        if key[1] not in found:
            record.note(None, *key)
    return found, changed


def _keep_identical_together(
    planned: list[PlannedImage], found: dict[str, Inspection], problems: ProblemList
) -> tuple[list[PlannedImage], list[list[str]]]:
    """Drop images whose twin is in another split that has precedence; list the twins that stay in one split."""
    twins = defaultdict(list)
    for image in planned:
        twins[found[image.path].pixel_digest].append(image)
    dropped, together = set(), []
    for same in twins.values():
        keeper = min(same, key=lambda image: PRECEDENCE.index(image.split))
        staying = [image.listed for image in same if image.split == keeper.split]
        if len(staying) > 1:
            together.append(staying)
        for image in same:
            if image.split != keeper.split:
                dropped.add(image.path)
                done = f"the same pixels as {keeper.path}, which stays in {keeper.split}; left out of {image.split}"
                problems.add(image.path, Kind.DUPLICATE, done)
    return [image for image in planned if image.path not in dropped], together


def _scales_of(
    image: PlannedImage, size: tuple[int, int], scales: list[int], patch: int, problems: ProblemList
) -> list[int]:
    """The scales at which an image is large enough: for one patch in training, for one LR pixel elsewhere."""
    side = min(size)
    needed = patch if image.split == "train" else 1
    fitting = [scale for scale in scales if side // scale >= needed]
    if len(fitting) < len(scales):
        left_out = ", ".join(f"x{scale}" for scale in scales if scale not in fitting)
        largest = max(scale for scale in scales if scale not in fitting)
        done = (
            f"{size[0]} x {size[1]} pixels, and {image.split} at x{largest} needs {needed * largest}; "
            f"left out of {image.split} at {left_out}"
        )
        problems.add(image.path, Kind.SMALL, done)
    return fitting


def _key(job: Job) -> tuple[str, ...]:
    return ("made", job.split, str(job.scale), job.name)


def _plan_jobs(
    kept: list[PlannedImage],
    found: dict[str, Inspection],
    scales: list[int],
    patch: int,
    problems: ProblemList,
    record: PreparationRecord,
) -> list[tuple[Job, ...]]:
    """List what has to be there in the end, the jobs of one image together."""
    jobs = []
    for image in kept:
        group = []
        for scale in _scales_of(image, found[image.path].size, scales, patch, problems):
            job = Job(
                path=image.path,
                pixel_digest=found[image.path].pixel_digest,
                split=image.split,
                name=image.name,
                scale=scale,
                record=None,
            )
            group.append(replace(job, record=record.get(*_key(job))))
        if group:
            jobs.append(tuple(group))
    if not jobs:
        raise DataError("no image can be used at any of the scales:\n  " + "\n  ".join(problems.summary(all_in=None)))
    return jobs


def _gather(
    kept: list[PlannedImage], found: dict[str, Inspection], records: dict[tuple[str, ...], dict]
) -> list[PreparedImage]:
    """Put together what the manifest says of each image."""
    outputs = defaultdict(dict)
    for (_, _, scale, name), made in records.items():
        outputs[name][int(scale)] = made
    return [
        PreparedImage(image=image, inspection=found[image.path], outputs=outputs[image.name])
        for image in kept
        if image.name in outputs
    ]


def _remove_stale(record: PreparationRecord, wanted: set[tuple[str, ...]]) -> int:
    """Delete what earlier runs wrote and the data set no longer has."""
    removed = 0
    for key in record.keys("made"):
        if key not in wanted:
            record.begin_changing()
            _, split, scale, name = key
            for side in SIDES:
                (record.root / split / f"{side}_x{scale}" / f"{name}.png").unlink(missing_ok=True)
            record.note(None, *key)
            removed += 1
    return removed


def _refuse_foreign_files(root: Path, record: PreparationRecord, wanted: set[tuple[str, ...]]) -> None:
    """Training from folders would read any image that lies there."""
    known = wanted.union(record.keys("made"))
    for folder in sorted(root.glob("*/[HL]R_x*")):
        split, scale = folder.parent.name, folder.name[4:]
        if folder.is_dir() and split in SPLITS and folder.suffix != ".lmdb":
            for path in sorted(folder.iterdir()):
                if is_partial(path.name):
                    continue
                if path.suffix != ".png" or ("made", split, scale, path.stem) not in known:
                    raise DataError(f"{path}: was not written by this command; move it away, or choose another folder")


def _make_all(
    jobs: list[tuple[Job, ...]], pool: WorkerPool[Workshop], record: PreparationRecord
) -> tuple[dict[tuple[str, ...], dict], dict[int, int], dict[int, int]]:
    """Write every image that is not intact; give the record of each, and counts of written and intact by scale."""
    records, written, intact = {}, defaultdict(int), defaultdict(int)
    made = pool.run(Workshop.make, [(group,) for group in jobs])
    for results in progress(made, total=len(jobs), what="writing", unit="image", keep=False):
        for job, result, is_new in results:
            records[_key(job)] = result
            (written if is_new else intact)[job.scale] += 1
            if is_new:
                record.begin_changing()
                record.note(result, *_key(job))
    return records, dict(written), dict(intact)


def _refuse_overlap(source: Path, root: Path, planned: list[PlannedImage]) -> None:
    """Links may lead from the source to where the data set is to lie: its images would be images of the source."""
    folders = {(source / image.path).parent for image in planned} if source.is_dir() else set()
    outputs = {root, *(root / split for split in SPLITS)}
    for folder in sorted(folders):
        real = folder.resolve()
        if real in {*outputs, *root.parents} or outputs.intersection(real.parents) - {root}:
            raise DataError(f"{root} and {folder}, a folder of the source, lie in one another: choose another folder")


def prepare(options: PreparationOptions) -> Outcome:
    """Prepare a data set, or go on with one, or add scales to one.

    Args:
        options: What and how.

    Returns:
        What was done. The folder then holds ``{train,val,test}/{HR,LR}_x{scale}`` as PNG folders and LMDBs,
        ``splits/{train,val,test}.txt`` and ``manifest.json``.

    Raises:
        DataError: If the source has no images, is broken, or (strict) has any problem; if the folder was prepared
            with other settings, or holds foreign images.
        InUseError: If another process is preparing there.
        SaveError: If a file cannot be written.
    """
    source_path, root = options.source.resolve(), options.root.resolve()
    if root == source_path or source_path in root.parents:
        raise DataError(f"{options.root} lies in the source {options.source}: choose a folder outside of it")
    problems = ProblemList(strict=options.strict)
    listed = None if options.split_files is None else read_splits(options.split_files)
    source = ImageSource(source_path)
    plan = plan_images(
        options.data_set,
        source,
        listed=listed,
        val=options.val,
        test=options.test,
        seed=options.seed,
        own_split=options.own_split,
        problems=problems,
    )
    source.close()
    _refuse_overlap(source_path, root, plan.images)
    if plan.split_folders and options.rule_is_asked:
        raise DataError(
            f"{options.source}: the folders {', '.join(plan.split_folders)} are the split, so there is no place for "
            f"the rule of --val, --test and --seed; leave them out or give --no-split, which makes them classes"
        )
    settings = _settings(options, listed, plan.split_folders)
    with PreparationRecord(root) as record:
        scales = record.agree_on(settings, list(options.scales))
        make = partial(Workshop, source=source_path, root=root, conversion=options.conversion)
        with closing(WorkerPool(make, jobs=options.jobs)) as pool:
            found, changed = _inspect_all(plan.images, pool, record, problems)
            usable = [image for image in plan.images if found[image.path].pixel_digest]
            kept, together = _keep_identical_together(usable, found, problems)
            jobs = _plan_jobs(kept, found, scales, options.patch, problems, record)
            wanted = {_key(job) for group in jobs for job in group}
            _refuse_foreign_files(root, record, wanted)
            removed = _remove_stale(record, wanted)
            records, written, intact = _make_all(jobs, pool, record)
            databases = update_databases(records, pool, record, wanted=options.lmdb)
        prepared = _gather(kept, found, records)
        manifest = build_manifest(
            prepared,
            data_set=options.data_set,
            settings=settings,
            scales=scales,
            missing=plan.missing,
            identical=together,
            problems=problems.items,
        )
        write_split_lists(root, prepared)
        write_manifest(root, manifest)
    return Outcome(
        manifest=manifest,
        problems=problems,
        missing=plan.missing,
        hint=plan.hint,
        listed=0 if listed is None else len(listed),
        written=written,
        intact=intact,
        removed=removed,
        databases=databases,
        changed=changed,
    )
