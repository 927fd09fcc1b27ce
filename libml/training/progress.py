"""The progress of a run: a live line on a terminal, a plain line at each report elsewhere."""

import sys
import time

import tqdm

from libml.training.schedule import KIMG, Phase

LIVE_SECONDS = 5.0  # between refreshes of the losses in the live line; each one waits for the device
_ASIDE = ("lod", "images_per_second", "data_wait", "skipped_records")  # shown otherwise


class ProgressLine:
    """Phase, losses, speed, share of the time spent waiting for data, and time left."""

    def __init__(self, total: int, nimg: int, silent: bool = False):
        """Args: images of the whole run; images already seen; silent: show nothing."""
        self._silent, self._live = silent, sys.stderr.isatty() and not silent
        self._bar = tqdm.tqdm(
            total=total / KIMG,
            initial=nimg / KIMG,
            disable=not self._live,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}% {n:.1f}/{total:.0f} kimg [{elapsed}<{remaining}] {postfix}",
        )
        self._total, self._start, self._begun, self._shown = total, nimg, time.monotonic(), time.monotonic()

    def due(self) -> bool:
        """Whether a live line wants fresh losses; asking starts the next interval."""
        now = time.monotonic()
        if not self._live or now - self._shown < LIVE_SECONDS:
            return False
        self._shown = now
        return True

    def advance(self, images: int) -> None:
        """Counts images."""
        self._bar.update(images / KIMG)

    def show(self, nimg: int, phase: Phase, values: dict[str, float], plain: bool) -> None:
        """Shows the losses; a plain line too where there is no terminal and `plain` is set."""
        rate = (nimg - self._start) / (time.monotonic() - self._begun)
        losses = " ".join(f"{k} {v:.4g}" for k, v in values.items() if k not in _ASIDE)
        words = f"lod {phase.lod(nimg):.2f} {losses} {values.get('images_per_second', rate):.1f} img/s"
        if "data_wait" in values:
            words += f" wait {values['data_wait']:.1%}"
        self._bar.set_description_str(f"[{phase}]", refresh=False)
        self._bar.set_postfix_str(words)
        if plain and not self._live and not self._silent:
            left = tqdm.tqdm.format_interval((self._total - nimg) / rate) if rate else "?"
            print(f"[{phase}] {nimg / KIMG:.1f}/{self._total / KIMG:.0f} kimg {words} left {left}", flush=True)

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()
