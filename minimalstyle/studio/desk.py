"""What the studio has on its desk: photographs, paintings, works. All of it is bounded.

Photographs and results are kept in memory alone; own paintings in a folder, for the next time.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import ImageError, OutputError
from ..files import atomic_write, reason
from ..gallery import paintings
from ..pictures import images
from ..records import recipe
from ..settings.settings import Settings
from .painter import Painter, Work
from .uploads import read, small
from .wishes import NOT_FROM_A_PAGE, as_json
from .worker import Source

__all__ = ["MOST_PAINTINGS", "Busy", "Desk", "describe"]

MOST_PAINTINGS = 2  # blended
_PHOTOS, _PHOTO_BYTES = 12, 256_000_000
_OWN = 40  # paintings
_WAITING = 12  # works that are not finished
_KEPT, _KEPT_BYTES = 24, 800_000_000  # finished works, and what their results take
_SCREEN, _THUMB = 1600, 360  # longer sides of pictures for the page


class Busy(Exception):
    """There is too much on the desk; the text says of what."""


@dataclass(frozen=True)
class Photo:
    """A photograph.

    Attributes
    ----------
    id : str
        Ours; its own name stays in the browser.
    data : bytes
        The file.
    width, height : int
    shown : bytes
        A picture for the page.
    sha256 : str
    recipe : dict or None
        Of a picture that this program has made.
    """

    id: str
    data: bytes
    width: int
    height: int
    shown: bytes
    sha256: str
    recipe: dict[str, Any] | None


class Desk:
    """Everything that there is.

    Parameters
    ----------
    folder : Path
        Of own paintings.
    changed : callable
        Called from any thread when a work has changed.
    """

    def __init__(self, folder: Path, changed: Callable[[], None] = lambda: None) -> None:
        self.folder, self._changed = folder, changed
        self.photos: OrderedDict[str, Photo] = OrderedDict()
        self.works: OrderedDict[str, Work] = OrderedDict()
        self._thumbs: dict[str, bytes] = {}
        self._lock = threading.RLock()  # of works
        self._tabs: Counter[str] = Counter()  # that are open
        self.drafts = Painter(changed, keep=True, nice=5)  # the browser goes first
        self.prints = Painter(changed, nice=10)

    def open(self) -> None:
        """Begin to work."""
        self.drafts.start()
        self.prints.start()

    def close(self) -> None:
        """End all processes."""
        for painter in (self.drafts, self.prints):
            painter.close()

    # --- Pages ---

    def opened(self, tab: str) -> None:
        """A page looks at the desk."""
        with self._lock:
            self._tabs[tab] += 1

    def left(self, tab: str) -> None:
        """It does no longer; its draft goes on, unless another page waits for one."""
        with self._lock:
            self._tabs[tab] -= 1
            self._tabs += Counter()  # those above 0
            for one in list(self.works.values()):
                if one.kind != "print" and one.state == "waiting" and self._tabs[one.tab]:
                    self._stop_drafts(lambda other: not self._tabs[other.tab])

    # --- Photographs ----------------------------------------------------------------------------

    def add_photo(self, data: bytes) -> Photo:
        """Read a photograph; ImageError says why it cannot be used."""
        digest = hashlib.sha256(data).hexdigest()
        for one in self.photos.values():
            if one.sha256 == digest:
                self.photos.move_to_end(one.id)
                return one
        picture = read(data)
        width, height = images.Size.of(picture.rgb)
        made = None
        with suppress(ImageError):
            made = recipe.read(data)
        shown = small(picture, _SCREEN, 88)
        photo = Photo(secrets.token_hex(8), data, width, height, shown, digest, made)
        self.photos[photo.id] = photo
        while len(self.photos) > 1 and (
            len(self.photos) > _PHOTOS
            or sum(len(one.data) for one in self.photos.values()) > _PHOTO_BYTES
        ):
            self.photos.popitem(last=False)
        return photo

    def whole(self, key: str) -> bytes:
        """A photograph with all its pixels, for the page; KeyError where there is none."""
        picture = read(self.photos[key].data)
        return small(picture, max(picture.rgb.shape), 92)

    def described(self, photo: Photo) -> dict[str, Any]:
        """A photograph as the page knows it."""
        return {
            "id": photo.id,
            "width": photo.width,
            "height": photo.height,
            "recipe": None if photo.recipe is None else self._recipe(photo.recipe),
        }

    def _recipe(self, made: Mapping[str, Any]) -> dict[str, Any] | None:
        """Settings, and the pictures that it was made from, as far as they are here."""
        styles = made["inputs"].get("styles") or []
        if recipe.command_of(made) != "stylize" or len(styles) > MOST_PAINTINGS:
            return None
        content = made["inputs"].get("content")
        photo = next((one.id for one in self.photos.values() if one.sha256 == content), None)
        here = {self._digest(key): key for key in self.painting_keys()}
        found = [here[one] for one in styles if one in here]
        settings = {**asdict(Settings()), **recipe.settings_of(made)}
        kept = {name: one for name, one in settings.items() if name not in NOT_FROM_A_PAGE}
        all_here = len(found) == len(styles)
        return {
            "settings": as_json(kept),
            "photo": photo,
            "paintings": found if all_here else None,
        }

    # --- Paintings ------------------------------------------------------------------------------

    def painting_keys(self) -> list[str]:
        """Names of the gallery, and of own paintings."""
        return [*paintings(), *self._own()]

    def _own(self) -> list[str]:
        try:
            files = [one for one in self.folder.iterdir() if _is_own(one.name)]
            return [one.name for one in sorted(files, key=lambda one: one.stat().st_mtime)]
        except OSError:
            return []

    def wall(self) -> list[dict[str, Any]]:
        """All paintings as the page knows them, own ones first."""
        own = [{"id": key, "own": True} for key in reversed(self._own())]
        hung = [
            {"id": name, "own": False, "title": one.title, "painter": one.painter, "year": one.year}
            for name, one in paintings().items()
        ]
        return [*own, *hung]

    def add_painting(self, data: bytes) -> str:
        """Read an own painting and keep it; its key."""
        key = f"own-{hashlib.sha256(data).hexdigest()}"
        if key in self._own():
            return key
        if len(self._own()) >= _OWN:
            raise Busy(f"the wall has {_OWN} paintings of your own; take one down first")
        thumb = small(read(data), _THUMB, 82, "WEBP")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self.folder / key, data)
        except OSError as error:
            cause = error.__cause__ if isinstance(error, OutputError) else None  # has no path
            raise Busy(f"the painting cannot be kept: {reason(cause or error)}") from None
        self._thumbs[key] = thumb
        return key

    def remove_painting(self, key: str) -> None:
        """Take an own painting down; KeyError where there is none."""
        if key not in self._own():
            raise KeyError(key)
        self._thumbs.pop(key, None)
        with suppress(OSError):
            (self.folder / key).unlink()

    def thumb(self, key: str) -> bytes:
        """A small WebP of a painting; KeyError where there is none."""
        if key not in self._thumbs:
            self._thumbs[key] = small(read(self._painting(key)), _THUMB, 82, "WEBP")
        return self._thumbs[key]

    def _painting(self, key: str) -> bytes:
        """Its file; KeyError where there is none."""
        if key in paintings():
            return paintings()[key].path.read_bytes()
        if _is_own(key):
            with suppress(OSError):
                return (self.folder / key).read_bytes()
        raise KeyError(key)

    def _digest(self, key: str) -> str:
        if key in paintings():
            return hashlib.sha256(self._painting(key)).hexdigest()
        return key.removeprefix("own-")

    # --- Works ----------------------------------------------------------------------------------

    def add_work(
        self,
        kind: Literal["draft", "print", "plan"],
        *,
        photo: str,
        paintings: Iterable[str],
        settings: Settings,
        tab: str = "",
        sizes: Iterable[int] = (),
    ) -> Work:
        """Have something painted; KeyError where a picture is not here any more.

        A draft takes the place of the one before it, and of those of pages that are closed.
        """
        found = self.photos[photo]
        one = Work(
            secrets.token_hex(8),
            kind,
            tab,
            Source(photo, found.data),
            tuple(Source(key, self._painting(key)) for key in paintings),
            settings,
            tuple(sizes),
        )
        with self._lock:
            self._place(one)
        self._changed()
        return one

    def _place(self, one: Work) -> None:
        if one.kind != "print":
            self._stop_drafts(
                lambda other: (
                    (other.tab == one.tab and other.kind == one.kind) or not self._tabs[other.tab]
                )
            )
        self._tidy()
        if sum(not other.ended.is_set() for other in self.works.values()) >= _WAITING:
            raise Busy(f"{_WAITING} pictures are waiting; let one of them be finished first")
        self.works[one.id] = one
        (self.prints if one.kind == "print" else self.drafts).add(one)

    def _stop_drafts(self, which: Callable[[Work], bool]) -> None:
        for one in list(self.works.values()):
            if one.kind != "print" and not one.ended.is_set() and which(one):
                self.stop(one.id)

    def stop(self, key: str) -> None:
        """A work is no longer wanted; KeyError where there is none."""
        with self._lock:
            one = self.works.pop(key)
        (self.prints if one.kind == "print" else self.drafts).stop(one)
        self._changed()

    def keep(self, key: str) -> None:
        """A work is to end with what is painted so far; KeyError where there is none."""
        with self._lock:
            one = self.works[key]
        (self.prints if one.kind == "print" else self.drafts).keep(one)
        self._changed()

    def _tidy(self) -> None:
        """Forget the oldest works where there are too many, or their results too large."""
        ended = [one for one in self.works.values() if one.ended.is_set()]
        taken = sum(map(_bytes_of, ended))
        for one in ended:
            if one.state != "stopped" and len(ended) <= _KEPT and taken <= _KEPT_BYTES:
                continue
            if len(ended) == 1 and one.state == "done":
                break  # the latest is kept, however large
            taken -= _bytes_of(one)
            ended = [other for other in ended if other is not one]
            del self.works[one.id]

    def seen(self) -> list[dict[str, Any]]:
        """The works as the page knows them."""
        with self._lock:
            return [describe(one) for one in self.works.values() if one.kind != "plan"]


def describe(one: Work) -> dict[str, Any]:
    """A work as the page knows it."""
    return {
        "id": one.id,
        "kind": one.kind,
        "tab": one.tab,
        "photo": one.photo.key,
        "paintings": [painting.key for painting in one.paintings],
        "settings": as_json(asdict(one.settings)),
        "state": "stopped" if one.unwanted else one.state,
        "fraction": one.fraction,
        "left": one.left,
        "size": one.size,
        "version": one.version,
        "text": one.text,
        "early": one.early,
    }


def _is_own(name: str) -> bool:
    digest = name.removeprefix("own-")
    return name.startswith("own-") and len(digest) == 64 and set(digest) <= set("0123456789abcdef")


def _bytes_of(one: Work) -> int:
    picture = len(one.picture or b"")
    return picture + (one.result.pixels.nbytes if one.kind != "plan" and one.result else 0)
