"""The progress of a run: a line at each report and, on a terminal, a live line below them; 80 columns at most."""

import sys
import time

import tqdm

from libml.training.schedule import KIMG, Phase

LIVE_SECONDS = 5.0  # between refreshes of the losses in the live line; each one waits for the device
_ASIDE = ("images_per_second", "rmse")  # values of a report that have a place of their own in the line


class ProgressLine:
    """Phase, position, one number of the critic, rmse, speed and time left."""

    def __init__(self, total: int, nimg: int, silent: bool = False):
        """Args: images of the whole run; images already seen; silent: show nothing."""
        self._silent, self._live = silent, sys.stderr.isatty() and not silent
        options = {"disable": not self._live, "leave": False, "dynamic_ncols": True, "bar_format": "{desc}"}
        self._bar = tqdm.tqdm(total=total, initial=nimg, **options)
        self._total, self._start, self._nimg = total, nimg, nimg
        self._begun, self._shown, self._phase, self._words = time.monotonic(), time.monotonic(), None, ""

    def due(self) -> bool:
        """Whether a live line wants fresh losses; asking starts the next interval."""
        now = time.monotonic()
        if not self._live or now - self._shown < LIVE_SECONDS:
            return False
        self._shown = now
        return True

    def advance(self, images: int) -> None:
        """Counts images."""
        self._nimg += images
        if self._live:
            self._bar.set_description_str(self._line(), refresh=False)
            self._bar.update(images)

    def show(self, phase: Phase, values: dict[str, float], plain: bool) -> None:
        """Takes phase and losses into the line; prints the line if `plain` is set."""
        self._phase = phase
        self._words = "".join(f"  {name} {values[name]:.3g}" for name in _headline(values))
        self._bar.set_description_str(self._line())
        if plain and not self._silent:
            self._bar.write(self._line(values.get("images_per_second")), file=sys.stdout)
            sys.stdout.flush()

    def _line(self, speed: float | None = None) -> str:
        rate = (self._nimg - self._start) / max(time.monotonic() - self._begun, 1e-9)
        kimg, total = self._nimg / KIMG, self._total / KIMG
        position = f"{kimg:.1f}/{total:.0f} kimg" if total < 1000 else f"{kimg:.0f}/{total:.0f} kimg"
        left = _interval((self._total - self._nimg) / rate) if rate else "?"
        phase = f"{self._phase}  " if self._phase else ""
        return f"{phase}{position}{self._words}  {rate if speed is None else speed:.4g} img/s  {left} left"

    def close(self) -> None:
        """Takes the live line away."""
        self._bar.close()


def _interval(seconds: float) -> str:
    """As 04:10 or 1:02:03; beyond 100 hours in whole ones."""
    return tqdm.tqdm.format_interval(seconds) if seconds < 100 * 3600 else f"{seconds / 3600:.0f} h"


def _headline(values: dict[str, float]) -> list[str]:
    """The names of two values: the critic's gap, or the first value of a method without one, and rmse."""
    first = "gap" if "gap" in values else next((name for name in values if name not in _ASIDE), "")
    return [name for name in (first, "rmse") if name in values]
