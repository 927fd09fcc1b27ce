"""How much arithmetic a network's pass and a training step take, counted from the shapes of the layers."""

from lag.networks import Generator, Projection


def multiply_adds(network: Generator | Projection, size: int, lod_stop: int | None = None) -> int:
    """Multiply-adds of one image's pass in the plain formulation: each convolution at the size of its output.

    Args:
        network: G or P.
        size: side of the HR images.
        lod_stop: last stage in use; None for all.
    """
    lores = (size // network.scale) ** 2
    total = 0
    for k in range((network.lods if lod_stop is None else lod_stop) + 1):
        layers = network.stage_layers(k)
        for layer in layers:
            # P's last convolution of a stage works behind the space-to-channels shuffle, at half the size.
            halved = isinstance(network, Projection) and k and layer is layers[-1]
            height, width, inputs, outputs = layer.kernel.shape
            total += lores * 4 ** (k - 1 if halved else k) * height * width * inputs * outputs
    return total


def step_operations(generator: Generator, projection: Projection, size: int, lod_stop: int | None = None) -> int:
    """Operations of one image's training step, a multiply-add counting as two: 2 (6 G + 15 P).

    G passes twice and backward twice, at twice the cost for its inputs' and weights' gradients; P passes real, fake,
    fake_z and the penalty's mixture forward, and backward for what each of them owes.
    """
    return 2 * (6 * multiply_adds(generator, size, lod_stop) + 15 * multiply_adds(projection, size, lod_stop))
