"""3 x 3 SAME convolutions of images [N, H, W, C], of images before an upscaling, and of shuffled ones.

Each takes an image and a kernel [3, 3, C, filters], and has derivatives of every order.
"""

import itertools

import tensorflow as tf

from libml import cpu

PRODUCT_CHANNELS = 16  # with fewer, products of matrices are no faster than oneDNN's gradient


def plain(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """[N, H, W, C] -> [N, H, W, filters]."""
    return convolve(x, kernel, 1) if products_pay(x, kernel) else tf.nn.conv2d(x, kernel, 1, "SAME")


def upscaled(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution of upscale2d(x), from x itself: [N, H, W, C] -> [N, 2 H, 2 W, filters].

    A box of 2 x 2 equal pixels meets the 3 x 3 kernel in 4 x 4 sums of its taps: a transposed convolution of stride 2
    with 16 multiplications a small pixel in place of 36.
    """
    taps = tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2])
    rows = tf.pad(taps, [[0, 1], [0, 0], [0, 0], [0, 0]]) + tf.pad(taps, [[1, 0], [0, 0], [0, 0], [0, 0]])
    both = tf.pad(rows, [[0, 0], [0, 1], [0, 0], [0, 0]]) + tf.pad(rows, [[0, 0], [1, 0], [0, 0], [0, 0]])
    return transpose_convolve(x, both, 2) if products_pay(x, both) else _transposed(x, both, 2)


def shuffled(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution of space_to_channels(x): [N, H, W, C / 4] -> [N, H / 2, W / 2, filters].

    TensorFlow's own shuffle is faster, and a kernel is small to reorder.
    """
    h, w, inputs, filters = kernel.shape
    kernel = tf.transpose(tf.reshape(kernel, [h, w, inputs // 4, 4, filters]), [0, 1, 3, 2, 4])
    return plain(tf.nn.space_to_depth(x, 2), tf.reshape(kernel, [h, w, inputs, filters]))


FORMS = {"plain": plain, "upscaled": upscaled, "shuffled": shuffled}


def _transposed(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    shape = tf.shape(x)
    n, h, w = (shape[i] if x.shape[i] is None else x.shape[i] for i in range(3))
    return tf.nn.conv2d_transpose(x, kernel, [n, stride * h, stride * w, kernel.shape[2]], stride, "SAME")


def products_pay(x: tf.Tensor, kernel: tf.Tensor) -> bool:
    """Whether weights_gradient is the faster gradient for the kernel.

    Where AVX2 is the widest, oneDNN computes that gradient at about half the rate of the other convolutions.
    """
    wide = min(kernel.shape[2:]) >= PRODUCT_CHANNELS
    slow = cpu.has_only_avx2() and not tf.config.list_logical_devices("GPU")
    return wide and slow and x.dtype == tf.float32 and x.shape.is_fully_defined()


def gradient_scope() -> tf.name_scope:
    """The names that TensorFlow gives a gradient of what is computed here; those of own gradients it leaves out."""
    return tf.name_scope("/".join(filter(None, ("gradient_tape", tf.get_current_name_scope()))) + "/")


def convolve(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """A SAME convolution with weights_gradient: [N, H, W, C] -> [N, H / stride, W / stride, filters]."""

    @tf.custom_gradient
    def run(x, kernel):
        gradient = gradient_scope()

        def grad(dy):
            with gradient:
                return transpose_convolve(dy, kernel, stride), weights_gradient(x, dy, kernel.shape[0])

        return tf.nn.conv2d(x, kernel, stride, "SAME"), grad

    return run(x, kernel)


def transpose_convolve(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """The transpose of convolve, with the same kernel: [N, h, w, filters] -> [N, h stride, w stride, C]."""

    @tf.custom_gradient
    def run(x, kernel):
        gradient = gradient_scope()

        def grad(dy):
            with gradient:
                return convolve(dy, kernel, stride), weights_gradient(dy, x, kernel.shape[0])

        return _transposed(x, kernel, stride), grad

    return run(x, kernel)


@tf.function(autograph=False)  # traced once for all convolutions of a shape
def weights_gradient(x: tf.Tensor, dy: tf.Tensor, taps: int) -> tf.Tensor:
    """The gradient of sum(dy * convolve(x, kernel, stride)) for the kernel: a product of two matrices for each tap.

    With a column and a row of zeros after each image, and all pixels in a row, a tap's pixels are those of the result
    from a fixed distance on: a slice, which takes no copy.

    Args:
        x: [N, h stride, w stride, C], of known shape.
        dy: [N, h, w, filters], of known shape.
        taps: side of the kernel: 3 where the stride is 1, 4 where it is 2, so that it reaches one pixel of dy far.

    Returns:
        [taps, taps, C, filters].
    """
    (n, h, w, filters), channels = dy.shape, x.shape[-1]
    stride, image = x.shape[1] // h, (h + 1) * (w + 1)
    with tf.control_dependencies([dy]):  # or the copy would be made, and kept, in the forward pass
        x = tf.identity(x)
    # Where the stride is 2, four matrices of every other pixel.
    parts = tf.transpose(tf.reshape(x, [n, h, stride, w, stride, channels]), [2, 4, 0, 1, 3, 5])
    parts = tf.pad(parts, [[0, 0], [0, 0], [0, 0], [0, 1], [0, 1], [0, 0]])
    parts = tf.split(tf.reshape(parts, [-1, channels]), stride**2)
    # An image of zeros before and after, too, for what the first and the last tap miss.
    dy = tf.reshape(tf.pad(dy, [[1, 1], [0, 1], [0, 1], [0, 0]]), [-1, filters])
    products = []
    for i, j in itertools.product(range(taps), repeat=2):
        (down, row), (right, column) = divmod(i - 1, stride), divmod(j - 1, stride)
        seen = tf.slice(dy, [image - down * (w + 1) - right, 0], [n * image, filters])
        products.append(tf.matmul(parts[row * stride + column], seen, transpose_a=True))
    return tf.reshape(tf.stack(products), [taps, taps, channels, filters])
