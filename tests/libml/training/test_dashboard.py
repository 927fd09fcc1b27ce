"""What TensorBoard's pages get of a run: charts in groups, descriptions, hyperparameters, read by its own code."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar.custom_scalars_plugin import CustomScalarsPlugin
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG

from libml.training.dashboard import MEANINGS
from libml.training.summary import SummaryWriter

LAG = ("dreal", "dfake", "gap", "gp", "gfake", "gmse", "rmse", "rmse_ema", "lod", "images_per_second", "data_wait")
RUN = "tf/summaries"  # where a run's events lie
EDSR = ("gmse", "rmse", "lr", "images_per_second", "data_wait")


def write(folder, tags, kimgs=(1, 2), known=None):
    with SummaryWriter(folder, known) as writer:
        for kimg in kimgs:
            writer.parameters(kimg, {"blocks": 2, "lr": 0.5, "progressive": True, "dataset": "cifar10"})
            writer.scalars(kimg, dict.fromkeys(tags, 1.0))
            writer.layout(kimg, tags)
            writer.image(kimg, "candidates", np.zeros([4, 4, 3], np.uint8))


class Board:
    """The data of a folder of runs as TensorBoard has them."""

    def __init__(self, folder):
        multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder))
        multiplexer.Reload()
        self.multiplexer = multiplexer
        self.provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))

    def groups(self) -> dict[str, list[tuple[str, list[str]]]]:
        """Titles and patterns of tags of the charts, by group."""
        context = SimpleNamespace(logdir="", data_provider=self.provider, plugin_name_to_instance={})
        layout = json.loads(CustomScalarsPlugin(context).layout_impl(RequestContext(), ""))
        return {
            group["title"]: [(chart["title"], chart["multiline"]["tag"]) for chart in group["chart"]]
            for group in layout["category"]
        }

    def values(self, plugin) -> dict[str, str]:
        """Description of each of a plugin's values of the only run."""
        found = self.multiplexer.PluginRunToTagToContent(plugin)[RUN]
        return {tag: self.multiplexer.SummaryMetadata(RUN, tag).summary_description for tag in found}


def shown(groups, tags) -> list[str]:
    """The tags that some chart shows, once for each, as TensorBoard matches them."""
    patterns = [pattern for charts in groups.values() for _, those in charts for pattern in those]
    return sorted(tag for tag in tags for pattern in patterns if re.compile(pattern).match(tag))


def test_every_scalar_is_in_one_chart(tmp_path):
    write(tmp_path, [*LAG, "novel"])
    groups = Board(tmp_path).groups()
    assert list(groups) == ["critic", "generator", "quality", "speed", "schedule", "other"]
    assert shown(groups, [*LAG, "novel"]) == sorted([*LAG, "novel"])
    assert groups["critic"][0] == ("gap", ["^gap$"])
    assert groups["quality"] == [("rmse on training images", ["^rmse$", "^rmse_ema$"])]


def test_charts_of_several_methods_become_one_page(tmp_path):
    write(tmp_path / "a", LAG)
    write(tmp_path / "b", EDSR)
    groups = Board(tmp_path).groups()
    assert shown(groups, {*LAG, *EDSR}) == sorted({*LAG, *EDSR})
    assert len(groups["quality"]) == 1 and "lr" in str(groups["schedule"])
    only = [chart for charts in Board(tmp_path / "b").groups().values() for chart, _ in charts]
    assert "gap" not in only and "level of detail" not in only


def test_going_on_leaves_one_layout(tmp_path):
    for known, kimgs in ((None, (1, 2)), (1, (2, 3)), (0, (1,))):
        write(tmp_path, EDSR, kimgs, known)
        board = Board(tmp_path)
        (events,) = (board.multiplexer.Tensors(RUN, tag) for tag in board.values("custom_scalars"))
        assert len(events) == 1 and events[0].step == 1
        layout_pb2.Layout.FromString(events[0].tensor_proto.string_val[0])


def test_everything_has_words(tmp_path):
    write(tmp_path, LAG)
    board = Board(tmp_path)
    for tag, words in (board.values("scalars") | board.values("images")).items():
        assert words.startswith(MEANINGS[tag]) and "kimg" in words
    assert len(board.values("scalars")) == len(LAG)


@pytest.mark.parametrize("name, kind", [("blocks", "number_value"), ("progressive", "bool_value")])
def test_parameters_are_hyperparameters(tmp_path, name, kind):
    write(tmp_path, EDSR)
    content = Board(tmp_path).multiplexer.PluginRunToTagToContent("hparams")[RUN][SESSION_START_INFO_TAG]
    values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert getattr(values[name], kind) == {"blocks": 2, "progressive": True}[name]
    assert values["dataset"].string_value == "cifar10"
