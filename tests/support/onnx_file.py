"""A small generator as an ONNX file, made without TensorFlow: a convolution of what it is given, in [-1, 1]."""

import json

import numpy as np

SCALE, COLORS, NOISE_DIM = 4, 3, 2
CARD = {
    "kind": "LAG generator",
    "format": "ONNX",
    "method": "LAG",
    "note": "Plausible.",
    "scale": SCALE,
    "colors": COLORS,
    "noise_dim": NOISE_DIM,
    "shared_dim": 1,
    "dataset": "toyfaces32",
    "downscaler": "average",
    "nimg": 3072,
    "complete": True,
    "receptive_radius": 1,
    "fingerprint": "ab12cd34ef567890",
    "parameters": {"consistent": True},
}


def write_generator(path) -> None:
    """Writes it."""
    from onnx import TensorProto, checker, helper, numpy_helper, save_model

    def value(name, channels):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", f"{name}h", f"{name}w", channels])

    kernel = np.random.default_rng(0).normal(0, 0.3, [COLORS * SCALE**2, COLORS + NOISE_DIM, 3, 3]).astype(np.float32)
    nodes = [
        helper.make_node("Concat", ["lores", "z"], ["both"], axis=3),
        helper.make_node("Transpose", ["both"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["made"], pads=[1, 1, 1, 1]),
        helper.make_node("Tanh", ["made"], ["bound"]),
        helper.make_node("DepthToSpace", ["bound"], ["large"], blocksize=SCALE),
        helper.make_node("Transpose", ["large"], ["hires"], perm=[0, 2, 3, 1]),
    ]
    inputs, outputs = [value("lores", COLORS), value("z", NOISE_DIM)], [value("hires", COLORS)]
    graph = helper.make_graph(nodes, "generator", inputs, outputs, [numpy_helper.from_array(kernel, "kernel")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {"lag": json.dumps(CARD)})
    checker.check_model(model)
    save_model(model, path)
