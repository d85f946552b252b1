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
from segsr_arch.preparation.inspection import Inspection
from segsr_arch.preparation.journal import Journal, Key
from segsr_arch.preparation.manifest import build_manifest, write_manifest, write_split_lists
from segsr_arch.preparation.options import Outcome, PreparationOptions
from segsr_arch.preparation.pieces import Piece, keep_identical_together, pieces_of, scales_of
from segsr_arch.preparation.plan import Plan, plan_images
from segsr_arch.preparation.problems import ProblemList
from segsr_arch.preparation.source_images import SourceImage
from segsr_arch.preparation.splits import SPLITS, read_splits
from segsr_arch.preparation.tiling import Tiling
from segsr_arch.preparation.worker import SIDECAR, SIDES, Job, Workshop, digest_bytes, output_path
from segsr_arch.running.progress import progress
from segsr_arch.running.worker_pool import WorkerPool, lock_for_workers
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
    tiles = None if options.tiling is None else {"size": options.tiling.size, "margin": options.tiling.margin}
    named = {"data_set": options.data_set.name, "split": rule, "patch": options.patch, **used}
    return {**named, "degradation": degradation, "tiles": tiles}


@dataclass(frozen=True)
class _Steps:
    """The steps of a preparation, in their order, and what they share.

    Attributes:
        pool: Does the work.
        journal: Knows what earlier runs did.
        problems: Gets what is found on the way.
        scales: All scales of the data set.
        patch: Side of the LR training patch in pixels.
        tiling: How images are cut; ``None`` for whole ones.
    """

    pool: WorkerPool[Workshop]
    journal: Journal
    problems: ProblemList
    scales: Sequence[int]
    patch: int
    tiling: Tiling | None

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

    def cut(self, planned: Sequence[SourceImage], found: dict[str, Inspection]) -> list[Piece]:
        """Give the pieces of all images that can be used."""
        cut = (pieces_of(image, found[image.path], self.tiling, self.problems) for image in planned)
        return [piece for pieces in cut for piece in pieces]

    def plan_jobs(self, kept: Sequence[Piece]) -> list[tuple[Job, ...]]:
        """List what has to be there in the end, the jobs of one source image together."""
        usable = scales_of(kept, self.scales, patch=self.patch, tiling=self.tiling, problems=self.problems)
        groups: dict[str, list[Job]] = defaultdict(list)
        for piece, scales in zip(kept, usable, strict=True):
            for scale in scales:
                groups[piece.image.path].append(Job(piece, scale, made=self.journal.get(*piece.key(scale))))
        if not groups:
            raise DataError("no image can be used at any of the scales:\n  " + "\n  ".join(self.problems.summary()))
        return [tuple(group) for group in groups.values()]

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
        total, unit = sum(map(_pieces_in, jobs)), "image" if self.tiling is None else "tile"
        with progress(total=total, what="writing", unit=unit, keep=False) as bar:
            for group, results in zip(jobs, made, strict=True):
                for job, result, is_new in results:
                    key = job.piece.key(job.scale)
                    records[key] = result
                    (written if is_new else intact)[job.scale] += 1
                    if is_new:
                        self.journal.begin_changing()
                        self.journal.note(result, *key)
                bar.update(_pieces_in(group))
        return records, dict(written), dict(intact)


def _pieces_in(group: tuple[Job, ...]) -> int:
    return len({job.piece.name for job in group})


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
    with closing(ImageSource(source_path, parts=options.data_set.parts)) as source:
        plan = plan_images(options, source, listed, problems)
    _refuse_overlap(source_path, root, plan.images)
    if plan.split_folders and options.rule_is_asked:
        raise DataError(
            f"{options.source}: the folders {', '.join(plan.split_folders)} are the split, so there is no place for "
            "the rule of --val, --test and --seed; leave them out or give --no-split, which makes them "
            f"{options.data_set.other_folders}"
        )
    settings = _settings(options, listed, plan)
    with Journal(root) as journal:
        scales = journal.agree_on(settings, list(options.scales))
        make = partial(
            Workshop,
            source=source_path,
            root=root,
            conversion=options.conversion,
            degradation=options.degradation,
            tiling=options.tiling,
            parts=options.data_set.parts,
            turn=lock_for_workers() if options.jobs > 1 else None,
        )
        with closing(WorkerPool(make, jobs=options.jobs)) as pool:
            steps = _Steps(
                pool=pool,
                journal=journal,
                problems=problems,
                scales=scales,
                patch=options.patch,
                tiling=options.tiling,
            )
            found, changed = steps.inspect_all(plan.images)
            kept, together = keep_identical_together(steps.cut(plan.images, found), problems)
            jobs = steps.plan_jobs(kept)
            wanted = {job.piece.key(job.scale) for group in jobs for job in group}
            steps.refuse_foreign_files(wanted)
            removed = steps.remove_stale(wanted)
            records, written, intact = steps.make_all(jobs)
            databases = update_databases(records, pool, journal, wanted=options.lmdb)
        manifest = build_manifest(
            kept,
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
