"""Convolutions and their gradients against their plain twins, and where each fast form is chosen."""

import numpy as np
import pytest
import tensorflow as tf

from libml.layers import reference
from libml.layers.fast import choose, convolution, weights_gradient
from libml.system import cpu
from libml.system.hardware import as_if
from tests.support.steps import GROWING, batch, make, terms_of

ZEN2, ZEN4 = "flags\t\t: fpu avx avx2 fma\n", "flags\t\t: fpu avx avx2 avx512f avx512_bf16 fsrm\n"


def normal(*shape: int) -> tf.Tensor:
    return tf.random.stateless_normal(shape, [len(shape), sum(shape)])


@pytest.fixture
def this_cpu(tmp_path, monkeypatch):
    """Sets what /proc/cpuinfo says."""

    def describe(text: str) -> None:
        (tmp_path / "cpuinfo").write_text(text)
        cpu.features.cache_clear()

    monkeypatch.setattr(cpu, "CPU_INFO", tmp_path / "cpuinfo")
    cpu.features.cache_clear()
    yield describe
    cpu.features.cache_clear()


@pytest.mark.parametrize(
    "described, bfloat16, only_avx2",
    [
        (None, True, False),
        (f"model name\t: A\n{ZEN2}", False, True),
        (ZEN4, True, False),
        ("Features\t: fp asimd i8mm\n", False, False),
        ("Features\t: fp asimd bf16\n", True, False),
        ("isa\t: rv64imafdc\n", True, False),
    ],
)
def test_what_the_kernel_says_of_a_cpu(described, bfloat16, only_avx2, this_cpu):
    if described:
        this_cpu(described)
    assert (cpu.has_bfloat16(), cpu.has_only_avx2()) == (bfloat16, only_avx2)


@pytest.mark.parametrize("own, taps, stride", [("products", 3, 1), ("products", 4, 2), ("over_batch", 3, 1)])
@pytest.mark.parametrize("size", [(1, 1, 1), (2, 5, 7), (3, 4, 4)])
def test_own_forms_are_tensorflow_s_gradient(own, taps, stride, size):
    n, h, w = size
    x, dy = normal(n, h * stride, w * stride, 6), normal(n, h, w, 5)
    theirs = reference.weights_gradient(x, dy, [taps, taps, 6, 5], stride)
    ours = weights_gradient.products(x, dy, taps) if own == "products" else weights_gradient.over_batch(x, dy)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def derivatives(form, x, kernel):
    """Of an image, its first derivatives, and those of their squares."""
    with tf.GradientTape() as outer:
        outer.watch([x, kernel])
        with tf.GradientTape() as inner:
            inner.watch([x, kernel])
            y = form(x, kernel)
            total = tf.reduce_sum(tf.sin(y))
        first = inner.gradient(total, [x, kernel])
        penalty = tf.add_n([tf.reduce_sum(tf.square(slope)) for slope in first])
    return [y, *first, *outer.gradient(penalty, [x, kernel])]


def only(own: str):
    """In place of choose.pays: a single form, wherever it can be."""
    return lambda form, x, shape=(): form == own and (form != "over_batch" or shape[0] == 3)


def check_derivatives(form, x, kernel, graph):
    kernel /= 10  # large sums would be large angles of the sine, whose last digits count
    ours = tf.function(derivatives, autograph=False) if graph else derivatives
    found, theirs = ours(convolution.FORMS[form], x, kernel), derivatives(reference.FORMS[form], x, kernel)
    for own, expected in zip(found, theirs, strict=True):
        np.testing.assert_allclose(own, expected, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("own", ["neither", "products", "over_batch"])
@pytest.mark.parametrize("form", convolution.FORMS)
def test_derivatives_are_tensorflow_s(form, own, graph, monkeypatch):
    monkeypatch.setattr(choose, "pays", only(own))
    check_derivatives(form, normal(2, 6, 8, 8), normal(3, 3, 32 if form == "shuffled" else 8, 5), graph)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1), (1, 6)])
@pytest.mark.parametrize("channels, filters", [(9, 3), (3, 9), (8, 1), (1, 8)])
def test_derivatives_of_colours_are_tensorflow_s(channels, filters, size, graph):
    check_derivatives("plain", normal(2, *size, channels), normal(3, 3, channels, filters), graph)


def test_colours_of_images_of_any_size():
    kernel = normal(3, 3, 9, 3)
    run = tf.function(
        convolution.plain,
        autograph=False,
        input_signature=[tf.TensorSpec([None, None, None, 9]), tf.TensorSpec([3, 3, 9, 3])],
    )
    for size in ((4, 6), (5, 3)):
        x = normal(2, *size, 9)
        np.testing.assert_allclose(run(x, kernel), tf.nn.conv2d(x, kernel, 1, "SAME"), atol=1e-5)


def graph_of(function, *args) -> list[tf.compat.v1.NodeDef]:
    """The operations of a function of an image and a kernel and of its gradients, but those that spread a kernel."""

    @tf.function(autograph=False)
    def gradients(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = function(x, kernel)
        return tape.gradient(y, [x, kernel])

    graph = gradients.get_concrete_function(*args).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return [node for node in nodes if "spread" not in node.name]


def kinds(function, *args) -> list[str]:
    """Types of the operations of a function's gradient for a kernel."""
    return [node.op for node in graph_of(function, *args) if node.op in ("MatMul", "Conv2DBackpropFilter")]


@pytest.mark.parametrize("channels, filters, gpus, blocks", [(8, 3, 0, 1), (3, 8, 0, 1), (8, 8, 0, 0), (8, 3, 1, 0)])
def test_colours_are_made_in_blocks_without_gpus(channels, filters, gpus, blocks):
    with as_if(on_gpus=bool(gpus)):
        specs = [tf.TensorSpec(shape) for shape in ([2, 6, 6, channels], [3, 3, channels, filters])]
        found = graph_of(convolution.plain, *specs)
    strides = [node.attr["strides"].list.i[1] for node in found if node.op.startswith("Conv2D")]
    assert sorted(strides) == [1] * (3 - blocks) + [2] * blocks


def test_products_are_for_wide_float32_convolutions_of_avx2(this_cpu):
    image, kernel = tf.TensorSpec([2, 6, 6, 16]), tf.TensorSpec([3, 3, 16, 16])
    theirs = ["Conv2DBackpropFilter"]
    this_cpu(ZEN4)
    assert kinds(convolution.plain, image, kernel) == theirs
    this_cpu(ZEN2)
    assert kinds(convolution.plain, image, kernel) == ["MatMul"] * 9
    assert kinds(convolution.upscaled, image, kernel) == ["MatMul"] * 16
    assert kinds(convolution.shuffled, tf.TensorSpec([2, 6, 6, 4]), kernel) == ["MatMul"] * 9
    assert kinds(convolution.plain, tf.TensorSpec([None, 6, 6, 16]), kernel) == theirs
    assert kinds(convolution.plain, image, tf.TensorSpec([3, 3, 16, 15])) == theirs
    half = [tf.TensorSpec(spec.shape, tf.bfloat16) for spec in (image, kernel)]
    assert kinds(convolution.plain, *half) == theirs


def test_a_convolution_over_the_batch_is_for_small_bfloat16_images(this_cpu):
    theirs = ["Conv2DBackpropFilter"]

    def found(form="plain", n=8, size=8, channels=4, filters=32, dtype=tf.bfloat16):
        kernel = tf.TensorSpec([3, 3, 4 * channels if form == "shuffled" else channels, filters], dtype)
        return kinds(convolution.FORMS[form], tf.TensorSpec([n, size, size, channels], dtype), kernel)

    this_cpu(ZEN4)
    assert found() == found(size=4) == found(n=48) == found("shuffled", size=16) == []
    assert found(dtype=tf.float32) == found(n=7) == found(n=None) == found(size=9) == found(size=None) == theirs
    assert found(filters=31) == found("upscaled", channels=32) == theirs
    this_cpu(ZEN2)
    assert found() == theirs


def test_two_replicas_share_the_gradient(two_replicas, monkeypatch):
    monkeypatch.setattr(choose, "pays", only("products"))
    x, kernel = normal(2, 6, 8, 4), normal(3, 3, 4, 5)
    share = tf.function(lambda: two_replicas.run(derivatives, (convolution.plain, x, kernel)), autograph=False)
    for values, alone in zip(share(), derivatives(convolution.plain, x, kernel), strict=True):
        for value in two_replicas.experimental_local_results(values):
            np.testing.assert_allclose(value, alone, atol=2e-6 * np.abs(alone).max())


@pytest.mark.parametrize("options", [{}, {"remat": True}], ids=str)
def test_a_step_is_the_same_with_either_gradient(options, this_cpu, monkeypatch):
    monkeypatch.setattr(choose, "PRODUCT_CHANNELS", 1)
    model, found = make(**options), []
    for described in (ZEN4, ZEN2):
        this_cpu(described)
        found.append(terms_of(model, batch(), GROWING, 1500, traced=described is ZEN4))
    theirs, ours = found
    for name, value in ours.losses.items():
        assert float(value) == pytest.approx(float(theirs.losses[name]), rel=1e-5, abs=1e-6), name
    for name, grads in ours.grads.items():
        for a, b in zip(grads, theirs.grads[name], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, np.abs(b).max()))
