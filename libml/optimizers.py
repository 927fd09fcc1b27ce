"""Adam as TensorFlow 1 computed it, one fused kernel a variable."""

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """keras.optimizers.Adam with the whole update of a variable in one operation.

    The rule is Keras' own: epsilon is added outside the root of the uncorrected second moment and the step size is
    lr * sqrt(1 - beta_2^t) / (1 - beta_1^t). Written as a dozen small operations a variable it costs as much as the
    convolutions of a small network.
    """

    def update_step(self, gradient, variable, learning_rate) -> None:
        """Applies one step to one variable."""
        dtype = variable.dtype
        t = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(beta_1, t),
            beta2_power=tf.pow(beta_2, t),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


def _handle(variable: keras.Variable | tf.Variable) -> tf.Tensor:
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
