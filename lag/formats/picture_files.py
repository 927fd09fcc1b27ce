"""Picture files inside the graph of an export: what their headers say, then their pixels, and files of images."""

import tensorflow as tf

from libml.images import to_float, to_levels

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"  # what their files begin with


def size_in_header(file: tf.Tensor) -> tf.Tensor:
    """(width, height) of a file, int64 [2], from its header alone; fails if it is neither PNG nor JPEG."""
    header = tf.strings.join([tf.strings.substr(file, 0, 24), b"\0" * 24])  # of a file that ends before, too
    is_png = tf.strings.substr(header, 0, len(PNG)) == PNG
    is_jpeg = tf.strings.substr(header, 0, len(JPEG)) == JPEG
    size = tf.cond(
        is_png,
        lambda: tf.io.decode_raw(tf.strings.substr(header, 16, 8), tf.int32, little_endian=False),
        lambda: tf.cond(is_jpeg, lambda: tf.image.extract_jpeg_shape(file)[1::-1], lambda: tf.zeros(2, tf.int32)),
    )
    with tf.control_dependencies([tf.debugging.Assert(is_png | is_jpeg, ["images must be PNG or JPEG files"])]):
        return tf.cast(tf.reshape(size, [2]), tf.int64)


def check_size(size: tf.Tensor, most: int, words: str) -> tf.Operation:
    """An operation that fails if an image has no pixels or more than `most`; `words` end its message."""
    width, height = tf.unstack(size)
    fits = (width > 0) & (height > 0) & (width * height <= most)
    return tf.debugging.Assert(fits, ["an image of", width, "x", height, f"pixels: {words}"])


def decode(file: tf.Tensor, colors: int) -> tf.Tensor:
    """A file, string [], to pixels, uint8 [h, w, colors]."""
    image = tf.io.decode_image(file, channels=colors, expand_animations=False)
    return tf.ensure_shape(image, [None, None, colors])


def as_input(pixels: tf.Tensor) -> tf.Tensor:
    """Pixels of 8 bits to values in [-1, 1]."""
    return to_float(tf.cast(pixels, tf.float32))


def encode(images: tf.Tensor) -> tf.Tensor:
    """[N, H, W, C] in [-1, 1], clipped, to PNG files, string [N]."""
    pixels = tf.cast(tf.clip_by_value(tf.round(to_levels(images)), 0, 255), tf.uint8)
    return tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)
