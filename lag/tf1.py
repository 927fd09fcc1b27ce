"""Names that google-research/lag, the TensorFlow 1 reference, gives to the variables of our networks."""

import keras

from lag.networks import Generator, Projection


def generator_names(generator: Generator, lod_stop: int) -> dict[str, keras.Variable]:
    """Reference name -> variable of G's stages up to lod_stop: sres/stage_K/conv2d_scaled[_i]/{kernel,bias}."""
    return _names("sres", generator, lod_stop, rgb="to_rgb")


def critic_names(projection: Projection, lod_stop: int) -> dict[str, keras.Variable]:
    """Reference name -> variable of P's stages up to lod_stop: disc/stage_K/conv2d_scaled[_i]/{kernel,bias}."""
    return _names("disc", projection, lod_stop, rgb="from_rgb")


def _names(scope: str, network: Generator | Projection, lod_stop: int, rgb: str) -> dict[str, keras.Variable]:
    names = {}
    for k in range(lod_stop + 1):
        count = 0
        for layer in network.stage_layers(k):
            if k and layer is getattr(getattr(network, f"stage_{k}"), rgb):
                path = f"{scope}/stage_{k}/{rgb}/conv2d_scaled"
            else:
                path = f"{scope}/stage_{k}/conv2d_scaled" + (f"_{count}" if count else "")
                count += 1
            names[f"{path}/kernel"], names[f"{path}/bias"] = layer.kernel, layer.bias
    return names
