"""What TensorFlow's registry of kernels says of a traced function's operations, were they on a GPU.

TensorFlow's wheel for Linux registers kernels for GPUs whether or not the machine has one; tensorflow-cpu registers
none. The registry tells whether there is a kernel for an operation and its types, and which arguments it wants in the
host's memory. It cannot tell what a kernel's own code refuses (a layout of cuDNN's, a derivative), how fast it is, what
TensorFlow puts in an operation's place before it runs, nor anything of what XLA compiles.
"""

import functools
from collections import defaultdict
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.core.framework import kernel_def_pb2, op_def_pb2
from tensorflow.python.framework import kernels

# Operations whose kernels for GPUs raise under tf.config.experimental.enable_op_determinism, or run on the CPU: from
# the messages in the library of TensorFlow 2.21 and the notes of its release 2.8.
NOT_DETERMINISTIC = {
    *("AdjustContrast", "AdjustContrastv2", "ResizeNearestNeighborGrad", "SparseTensorDenseMatMul"),
    *("CropAndResizeGradBoxes", "CropAndResizeGradImage", "Dilation2DBackpropFilter", "Dilation2DBackpropInput"),
    *("MaxPoolGradWithArgmax", "Svd", "Bincount", "DenseBincount"),
    *("FakeQuantWithMinMaxVarsGradient", "FakeQuantWithMinMaxVarsPerChannelGradient"),
    *("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits", "DebugNumericSummaryV2"),
    *("ScatterNd", "TensorScatterUpdate", "TensorScatterAdd", "ResourceScatterNdUpdate", "ResourceScatterNdAdd"),
    *("ScatterAdd", "ScatterUpdate", "ResourceScatterAdd", "ResourceScatterUpdate", "ResourceScatterSub"),
}


@functools.cache
def _registered() -> dict[str, list[kernel_def_pb2.KernelDef]]:
    """The kernels that an operation on a GPU may use, by the operation's type; those of GPUs come first."""
    found = defaultdict(list)
    for device in ("GPU", "DEFAULT"):
        for kernel in kernels.get_all_registered_kernels().kernel:
            if kernel.device_type == device:
                found[kernel.op].append(kernel)
    return found


def registered_for_gpus() -> bool:
    """Whether this build of TensorFlow registers kernels for GPUs at all."""
    return any(kernel.device_type == "GPU" for kernel in _registered()["Conv2D"])


def _allows(kernel: kernel_def_pb2.KernelDef, op: tf.Operation) -> bool:
    for constraint in kernel.constraint:
        value = op.get_attr(constraint.name)
        types = value if isinstance(value, list) else [value]
        if any(tf.as_dtype(t).as_datatype_enum not in constraint.allowed_values.list.type for t in types):
            return False
    return True


def kernel_for(op: tf.Operation) -> kernel_def_pb2.KernelDef | None:
    """The kernel that an operation would have on a GPU."""
    return next((kernel for kernel in _registered()[op.type] if _allows(kernel, op)), None)


def operations(function) -> Iterator[tf.Operation]:
    """All operations of a concrete function, those of the functions that it calls included."""
    left, seen = [function], set()
    while left:
        function = left.pop()
        yield from function.graph.get_operations()
        for name, called in function.graph._functions.items():
            if name not in seen:
                seen.add(name)
                left.append(called)


def _of_tensors(op: tf.Operation, args: list[op_def_pb2.OpDef.ArgDef]) -> list[str]:
    """The argument's name for each tensor that an operation takes, or makes."""
    names = []
    for arg in args:
        count = op.get_attr(arg.number_attr) if arg.number_attr else 1
        names += [arg.name] * (len(op.get_attr(arg.type_list_attr)) if arg.type_list_attr else count)
    return names


def _on_host(tensor: tf.Tensor) -> bool:
    """Whether a tensor is in the host's memory: constants, resources, and what a kernel leaves there."""
    op, kernel = tensor.op, kernel_for(tensor.op)
    if op.type == "Const" or tensor.dtype == tf.resource or kernel is None:
        return True
    return _of_tensors(op, op.op_def.output_arg)[tensor.value_index] in kernel.host_memory_arg


def faults(function) -> list[str]:
    """What of a concrete function a GPU could not compute, not with determinism, or not without waiting for a copy."""
    found = []
    for op in operations(function):
        kernel, types = kernel_for(op), ", ".join(x.dtype.name for x in op.inputs)
        if kernel is None:
            found.append(f"{op.name}: no kernel for {op.type}({types})")
            continue
        if op.type in NOT_DETERMINISTIC:
            found.append(f"{op.name}: {op.type} is not deterministic")
        for x, arg in zip(op.inputs, _of_tensors(op, op.op_def.input_arg), strict=True):
            if arg in kernel.host_memory_arg and not _on_host(x):
                found.append(f"{op.name}: {op.type} waits for a copy of {x.name} to the host")
    return found
