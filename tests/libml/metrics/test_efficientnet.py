from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from libml.errors import UserError
from libml.metrics import efficientnet

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="module")
def network():
    return efficientnet.load(efficientnet.package_file() or pytest.skip("its package is not installed"))


def photograph(name):
    """The middle of a photograph, as the network was trained on: grey levels [224, 224, 3]."""
    image = Image.open(PHOTOGRAPHS / name).convert("RGB")
    side, (width, height) = min(image.size), image.size
    left, top = (width - side) // 2, (height - side) // 2
    return np.float32(image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    "name, labels",
    [
        ("chelsea.png", {281, 282, 285}),  # tabby, tiger cat, Egyptian cat
        ("coffee.png", {967}),  # espresso
        ("rocket.jpg", {657}),  # missile
        ("motorcycle_left.png", {665, 670}),  # moped, motor scooter
        ("camera.png", {872}),  # tripod
    ],
)
def test_it_names_photographs(network, name, labels):
    features, logits = network(photograph(name)[None])
    assert features.shape == (1, 1280) and np.argmax(logits) in labels


def test_all_weights_are_used(network):
    assert network.count_params() == 4_694_073 - 49  # but for each batch norm's count of batches


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"something else")
    with pytest.raises(UserError, match="not the file of weights"):
        efficientnet.load(tmp_path / "x.pth")
    with pytest.raises(UserError, match="No such file"):
        efficientnet.load(tmp_path / "none.pth")
