"""The progressive schedule against the reference's worked tables."""

import json

import pytest

from libml.errors import UserError
from libml.layers.resample import ilog2
from libml.training.schedule import Level, Phase, progressive
from tests.support import GOLDEN

TABLES = json.loads((GOLDEN / "schedule.json").read_text())


@pytest.mark.parametrize("table", [t for t in TABLES.values() if isinstance(t, dict)], ids=lambda t: str(t["args"]))
def test_schedule_equals_reference(table):
    _, scale, transition, training, total = table["args"]
    schedule = progressive(ilog2(scale), transition, training, total)
    assert [[p.nimg_start, p.nimg_stop, p.lod_start, p.lod_stop] for p in schedule.phases] == table["phases"]
    assert schedule.total == table["total"]
    for nimg, index, lod in table["samples"]:
        assert schedule.index(nimg) == index
        assert schedule.phase(nimg).lod(nimg) == pytest.approx(lod, rel=1e-6)


@pytest.mark.parametrize("scale, kimg", [(8, 10240), (16, 14336), (32, 18432)])
def test_default_lengths(scale, kimg):
    assert progressive(ilog2(scale), 2048, 2048).total == kimg * 1024


def test_past_the_end_is_the_last_level():
    schedule = progressive(2, 4, 0, 4)  # ends with a transition
    assert schedule.phases[-1].is_transition
    for nimg in (schedule.total, 10 * schedule.total):
        assert schedule.phase(nimg).lod(nimg) == 2


def test_phases_are_half_open():
    schedule = progressive(2, 1, 1)
    assert [schedule.index(n) for n in (0, 1023, 1024, 2047, 2048, 3071, 3072)] == [0, 0, 1, 1, 2, 2, 2]


def test_a_total_cannot_shorten_the_growth():
    assert progressive(2, 4, 4, 1).total == 8 * 1024


@pytest.mark.parametrize("lengths", [(0, 0, 0), (-1, 4, 0)])
def test_nothing_to_train_is_refused(lengths):
    with pytest.raises(UserError):
        progressive(1, *lengths)


def test_a_level_fades_its_last_stage_in():
    phase = Phase(1024, 2048, 1, 2)
    assert [phase.level(nimg).fade for nimg in (1024, 1280, 2048)] == [0.0, 0.25, 1.0]
    assert phase.level(1280) == Level(1, 2, 1.25) and Phase(0, 1024, 1, 1).level(512) == Level(1, 1, 1.0)
    assert Level(2, 2, 2.0).fade is None
