"""Requests that TensorFlow Serving makes of a model when it has loaded it, so that the first user need not wait.

They are messages of Serving's, PredictionLog, whose definitions come with tensorflow-serving-api. All fields that are
needed here are messages or text, so that a message is written by its fields' numbers alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"  # in a version's folder
# Numbers of fields.
PREDICT_LOG = 6  # of PredictionLog
REQUEST = 1  # of PredictLog
MODEL_SPEC, INPUTS = 1, 2  # of PredictRequest
SIGNATURE_NAME = 3  # of ModelSpec
KEY, VALUE = 1, 2  # of an entry of a map


def _field(number: int, content: bytes) -> bytes:
    """A field of protobuf's wire type 2: its key, the length as a varint of 7 bits a byte, and the content."""
    length, rest = [], len(content)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + content


def prediction_log(signature: str, inputs: Mapping[str, Any]) -> bytes:
    """A PredictionLog of a request, as protobuf writes it.

    Args:
        signature: name of the signature that is asked.
        inputs: its inputs, as what tf.make_tensor_proto takes.
    """
    request = _field(MODEL_SPEC, _field(SIGNATURE_NAME, signature.encode()))
    for name, value in sorted(inputs.items()):
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(INPUTS, _field(KEY, name.encode()) + _field(VALUE, tensor))
    return _field(PREDICT_LOG, _field(REQUEST, request))


def write_warm_up(folder: Path, requests: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes requests, signature -> inputs, into the folder of a SavedModel."""
    path = folder / WARM_UP_FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            writer.write(prediction_log(signature, inputs))
