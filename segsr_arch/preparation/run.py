"""Preparation of a data set: from a folder or archive of images to HR and LR images, LMDBs, lists and a manifest."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from segsr_arch.errors import DataError
from segsr_arch.files.atomic import is_partial
from segsr_arch.images.errors import Finding
from segsr_arch.preparation.databases import update_databases
from segsr_arch.preparation.journal import Journal, Key
from segsr_arch.preparation.manifest import build_manifest, write_manifest, write_split_lists
from segsr_arch.preparation.options import Outcome, PreparationOptions
from segsr_arch.preparation.plan import Plan, plan_images
from segsr_arch.preparation.problems import Kind, ProblemList
from segsr_arch.preparation.source_images import SourceImage
from segsr_arch.preparation.splits import PRECEDENCE, SPLITS, read_splits
from segsr_arch.preparation.worker import (
    SIDECAR,
    SIDES,
    Inspection,
    Job,
    Workshop,
    digest_bytes,
    made_key,
    output_path,
)
from segsr_arch.running.progress import progress
from segsr_arch.running.worker_pool import WorkerPool
from segsr_arch.sources.image_sources import ImageSource


def _settings(options: PreparationOptions, listed: dict[str, str] | None, plan: Plan) -> dict[str, Any]:
    """What every run on one folder must share."""
    rule: dict[str, Any]
    if plan.split_folders:
        rule = {"rule": "folders", "folders": list(plan.split_folders)}
    elif listed is None:
        rule = {"rule": "seeded", "seed": options.seed, "val": options.val, "test": options.test}
    else:
        lines = "".join(f"{split} {name}\n" for name, split in sorted(listed.items()))
        rule = {"rule": "lists", "digest": digest_bytes(lines.encode())}
    used = {"range": options.conversion.value_range, "bands": options.conversion.bands}
    degradation = None if options.degradation is None else options.degradation.as_record()
    named = {"data_set": options.data_set.name, "split": rule, "patch": options.patch, **used}
    return {**named, "degradation": degradation}


@dataclass(frozen=True)
class _Steps:
    """The steps of a preparation, in their order, and what they share.

    Attributes:
        pool: Does the work.
        journal: Knows what earlier runs did.
        problems: Gets what is found on the way.
        scales: All scales of the data set.
        patch: Side of the LR training patch in pixels.
    """

    pool: WorkerPool[Workshop]
    journal: Journal
    problems: ProblemList
    scales: Sequence[int]
    patch: int

    def inspect_all(self, planned: Sequence[SourceImage]) -> tuple[dict[str, Inspection], list[str]]:
        """Look at every source image; give what was found, by path, and which changed since an earlier run."""
        known: dict[str, Inspection | None] = {}
        for image in planned:
            earlier = self.journal.get("inspected", image.path)
            known[image.path] = None if earlier is None else Inspection.from_record(earlier)
        found: dict[str, Inspection] = {}
        changed = []
        inspections = self.pool.run(Workshop.inspect, list(known.items()), chunk=8)
        for inspection in progress(inspections, total=len(known), what="inspecting", unit="image", keep=False):
            found[inspection.path] = inspection
            before = known[inspection.path]
            if before is not None and before.file_digest != inspection.file_digest:
                changed.append(inspection.path)
            self.journal.note(inspection.as_record(), "inspected", inspection.path)
            for kind, sentence in inspection.notes:
                self.problems.add(inspection.path, Finding(kind), sentence)
        for key in self.journal.keys("inspected"):
            if key[1] not in found:
                self.journal.note(None, *key)
        return found, changed

    def keep_identical_together(
        self, usable: Sequence[SourceImage], found: dict[str, Inspection]
    ) -> tuple[list[SourceImage], list[list[str]]]:
        """Drop images whose twin is in another split that has precedence; list the twins that stay in one split."""
        twins = defaultdict(list)
        for image in usable:
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
                    self.problems.add(image.path, Kind.DUPLICATE, done)
        return [image for image in usable if image.path not in dropped], together

    def plan_jobs(self, kept: Sequence[SourceImage], found: dict[str, Inspection]) -> list[tuple[Job, ...]]:
        """List what has to be there in the end, the jobs of one image together."""
        jobs = []
        for image in kept:
            digest = found[image.path].pixel_digest
            group = [
                Job(image, digest, scale, made=self.journal.get(*made_key(image, scale)))
                for scale in self._scales_of(image, found[image.path].size)
            ]
            if group:
                jobs.append(tuple(group))
        if not jobs:
            raise DataError("no image can be used at any of the scales:\n  " + "\n  ".join(self.problems.summary()))
        return jobs

    def _scales_of(self, image: SourceImage, size: tuple[int, int]) -> list[int]:
        """The scales at which an image is large enough: for one patch in training, for one LR pixel elsewhere."""
        needed = self.patch if image.split == "train" else 1
        too_large = [scale for scale in self.scales if min(size) // scale < needed]
        if too_large:
            done = (
                f"{size[0]} x {size[1]} pixels, and {image.split} at x{max(too_large)} needs "
                f"{needed * max(too_large)}; left out of {image.split} at {', '.join(f'x{s}' for s in too_large)}"
            )
            self.problems.add(image.path, Kind.SMALL, done)
        return [scale for scale in self.scales if scale not in too_large]

    def refuse_foreign_files(self, wanted: set[Key]) -> None:
        """Training from folders would read any image that lies there."""
        known = wanted.union(self.journal.keys("made"))
        for folder in sorted(self.journal.root.glob("*/[HL]R_x*")):
            split, scale = folder.parent.name, folder.name[4:]
            if folder.is_dir() and split in SPLITS and folder.suffix != ".lmdb":
                for path in sorted(folder.iterdir()):
                    if is_partial(path.name):
                        continue
                    if path.suffix != ".png" or ("made", split, scale, path.stem) not in known:
                        raise DataError(
                            f"{path}: was not written by this command; move it away, or choose another folder"
                        )

    def remove_stale(self, wanted: set[Key]) -> int:
        """Delete what earlier runs wrote and the data set no longer has; give the number of pairs."""
        stale = [key for key in self.journal.keys("made") if key not in wanted]
        for key in stale:
            self.journal.begin_changing()
            for kind in (*SIDES, SIDECAR):
                output_path(self.journal.root, kind, key).unlink(missing_ok=True)
            self.journal.note(None, *key)
        return len(stale)

    def make_all(
        self, jobs: Sequence[tuple[Job, ...]]
    ) -> tuple[dict[Key, dict[str, Any]], dict[int, int], dict[int, int]]:
        """Write every image that is not intact; give what was made, and counts of written and intact by scale."""
        records: dict[Key, dict[str, Any]] = {}
        written: dict[int, int] = defaultdict(int)
        intact: dict[int, int] = defaultdict(int)
        made = self.pool.run(Workshop.make, [(group,) for group in jobs])
        for results in progress(made, total=len(jobs), what="writing", unit="image", keep=False):
            for job, result, is_new in results:
                key = made_key(job.image, job.scale)
                records[key] = result
                (written if is_new else intact)[job.scale] += 1
                if is_new:
                    self.journal.begin_changing()
                    self.journal.note(result, *key)
        return records, dict(written), dict(intact)


def _refuse_overlap(source: Path, root: Path, planned: Sequence[SourceImage]) -> None:
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
        ``splits/{train,val,test}.txt`` and ``manifest.json``; with a degradation also ``degradation_x{scale}``, a file
        beside each LR image.

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
    with closing(ImageSource(source_path)) as source:
        plan = plan_images(options, source, listed, problems)
    _refuse_overlap(source_path, root, plan.images)
    if plan.split_folders and options.rule_is_asked:
        raise DataError(
            f"{options.source}: the folders {', '.join(plan.split_folders)} are the split, so there is no place for "
            f"the rule of --val, --test and --seed; leave them out or give --no-split, which makes them classes"
        )
    settings = _settings(options, listed, plan)
    with Journal(root) as journal:
        scales = journal.agree_on(settings, list(options.scales))
        given = partial(Workshop, conversion=options.conversion, degradation=options.degradation)
        make = partial(given, source=source_path, root=root)
        with closing(WorkerPool(make, jobs=options.jobs)) as pool:
            steps = _Steps(pool=pool, journal=journal, problems=problems, scales=scales, patch=options.patch)
            found, changed = steps.inspect_all(plan.images)
            usable = [image for image in plan.images if found[image.path].pixel_digest]
            kept, together = steps.keep_identical_together(usable, found)
            jobs = steps.plan_jobs(kept, found)
            wanted = {made_key(job.image, job.scale) for group in jobs for job in group}
            steps.refuse_foreign_files(wanted)
            removed = steps.remove_stale(wanted)
            records, written, intact = steps.make_all(jobs)
            databases = update_databases(records, pool, journal, wanted=options.lmdb)
        manifest = build_manifest(
            kept,
            found,
            records,
            settings=settings,
            scales=scales,
            degradation=options.degradation,
            missing=plan.missing,
            identical=together,
            problems=problems.items,
        )
        write_split_lists(root, manifest["images"])
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
