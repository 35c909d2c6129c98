"""The list of a batch: which photograph after which painting, and where the picture goes."""

import os
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from .. import gallery
from ..errors import UsageError
from ..files import check_file, shortened
from ..painting.job import Job
from ..painting.schedule import scales, sizes
from ..settings.settings import Settings

__all__ = [
    "FIELDS",
    "Order",
    "Task",
    "check_apart",
    "check_template",
    "film",
    "orders",
    "tasks",
    "walk",
]

FIELDS = ("content", "style", "folder", "ext")  # of a template
_PICTURES = {
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """One picture as it was asked for.

    Attributes
    ----------
    content : Path
    styles : tuple of Path
    folder : str
        Of the photograph, below the folder that was walked.
    settings : Settings
    output : str or None
        A name of its own, in place of the template's.
    where : str
        "jobs.csv, line 3"; empty for one that comes of no list.
    """

    content: Path
    styles: tuple[Path, ...]
    folder: str = ""
    settings: Settings = field(default_factory=Settings)
    output: str | None = None
    where: str = ""


@dataclass(frozen=True, eq=False)
class Task:
    """A job and the file that it ends in.

    Attributes
    ----------
    job : Job
    output : Path
    name : str
        Of the file, below the folder of the batch.
    before : Path or None
        The picture that a frame of a film begins with.
    """

    job: Job
    output: Path
    name: str
    before: Path | None = None

    @property
    def title(self) -> str:
        """Such as "photo.jpg after painting.jpg"."""
        return f"{self.job.content!s} after {self.style}"

    @property
    def style(self) -> str:
        """The paintings, as a user calls them."""
        return ", ".join(gallery.called(str(one)) for one in self.job.styles)

    @property
    def work(self) -> float:
        """How much there is to do, compared with other tasks; no file is looked at."""
        settings = replace(self._settings, enlarge=True)
        side = settings.size
        return sum(one.work for one in scales(sizes((side, side), settings), settings))

    def begun(self) -> "Task":
        """As it is now that the picture before is there, if it is."""
        if self.before is None or not self.before.exists():
            return self
        settings = replace(self._settings, init=str(self.before))
        return replace(self, job=replace(self.job, settings=settings))

    @property
    def _settings(self) -> Settings:
        """Of a frame: the large forms are painted already (docs/batch.md)."""
        settings = self.job.settings
        return settings if self.before is None else replace(settings, scales=1)


def walk(
    given: Iterable[str | os.PathLike[str]],
    *,
    without: Path,
    also: Iterable[str] = (),
    empty: bool = False,
) -> list[tuple[Path, str]]:
    """The pictures among files and in folders, with the folder below the one that was given.

    Parameters
    ----------
    given : iterable of path
        A file is taken whatever it is called; of a folder, and of those in it, all files with the
        suffix of a picture, but for hidden ones.
    without : Path
        A folder that is not walked: that of the results.
    also : iterable of str
        Other suffixes.
    empty : bool
        Take folders without pictures, and files that are not there yet.

    Raises
    ------
    UsageError
        For a folder without pictures.
    ImageError
        For a file that is not there.
    """
    found = []
    for one in map(Path, given):
        if not one.is_dir():
            if not empty:
                check_file(one)
            found.append((one, ""))
            continue
        inside = list(_inside(one, _PICTURES | set(also), without.resolve()))
        if not inside and not empty:
            raise UsageError(f"{one}: there is no picture in this folder")
        found += inside
    return found


def _inside(root: Path, suffixes: set[str], without: Path) -> Iterator[tuple[Path, str]]:
    for place, folders, files in os.walk(root):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != without
        )
        if here.resolve() == without:
            continue
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield here / name, here.relative_to(root).as_posix().removeprefix(".")


def orders(
    contents: Sequence[tuple[Path, str]],
    styles: Sequence[Path],
    settings: Settings,
    *,
    pairs: bool = False,
) -> list[Order]:
    """Every photograph after every painting, painting by painting; or the first after the first."""
    if pairs and len(contents) != len(styles):
        raise UsageError(f"--pairs: {len(contents)} photographs and {len(styles)} paintings")
    both = zip(styles, contents, strict=True) if pairs else product(styles, contents)
    return [
        Order(content=content, folder=folder, styles=(style,), settings=settings)
        for style, (content, folder) in both
    ]


def check_template(template: str) -> None:
    """Raise UsageError for a template that names no file, or what there is not."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UsageError(f"--name {template}: {error}") from None
    unknown = [name for name in names if name not in FIELDS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise UsageError(f"--name {template}: there is no {{{unknown[0]}}}; there are {known}")


def tasks(
    asked: Iterable[Order], folder: Path, *, template: str, ext: str, **of_all: Any
) -> list[Task]:
    """What is to be done, with a file for each.

    Parameters
    ----------
    asked : iterable of Order
    folder : Path
        Of the results.
    template : str
        Such as "{content}_{style}.{ext}".
    ext : str
    **of_all
        Other parts of every job, such as `weights`.

    Raises
    ------
    UsageError
        For a name that leads out of the folder.
    """
    made = []
    for one in asked:
        name = one.output or _named(one, template, ext)
        output = folder / name
        inside = Path(os.path.normpath(output)).is_relative_to(os.path.normpath(folder))
        if not inside or os.path.isabs(name) or output.name in ("", "..") or "\0" in name:
            where = f"{one.where}: " if one.where else ""
            raise UsageError(f"{where}{name!r} is no file in {folder}")
        styles = tuple(map(str, one.styles))
        job = Job(content=str(one.content), styles=styles, settings=one.settings, **of_all)
        made.append(Task(job, output, output.relative_to(folder).as_posix()))
    return made


def film(listed: Sequence[Task]) -> list[Task]:
    """Tasks as frames in their order: each begins with the one before it that has its style."""
    last: dict[object, Path] = {}
    frames = []
    for task in listed:
        frames.append(replace(task, before=last.get(task.job.styles)))
        last[task.job.styles] = task.output
    return frames


def _named(order: Order, template: str, ext: str) -> str:
    style = "_".join(one.stem for one in order.styles)
    values = {"content": order.content.stem, "style": style, "folder": order.folder, "ext": ext}
    name = template.format(**values).lstrip("/") if not order.folder else template.format(**values)
    above, slash, last = name.rpartition("/")
    stem, dot, suffix = last.rpartition(".")
    return f"{above}{slash}{shortened(stem, 200)}{dot}{suffix}"


def check_apart(listed: Sequence[Task]) -> None:
    """Raise UsageError where two tasks would write one file, or one of the pictures that are read.

    Names that differ in capitals are one on some systems.
    """
    seen: dict[str, Task] = {}
    read = {os.path.realpath(source): str(source) for task in listed for source in _sources(task)}
    for task in listed:
        other = seen.setdefault(os.path.normpath(task.name).casefold(), task)
        if other is not task:
            both = f"{other.title} and {task.title}"
            raise UsageError(f"{task.name}: would be both {both}; --name can tell them apart")
        if (source := read.get(os.path.realpath(task.output))) is not None:
            raise UsageError(f"{source}: would be overwritten; choose another --name or folder")


def _sources(task: Task) -> list[str]:
    start = task.job.settings.start_picture
    found = [task.job.content, *task.job.styles, start]
    return [one for one in found if isinstance(one, str)]
