"""Adam (Kingma & Ba, 2015)."""

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """Keras' Adam, which updates a float32 variable in one operation, TensorFlow 1's, in place of twenty.

    No step is faster for it, but its graph is built and optimized in less time. Without amsgrad. Gradients are means
    over the replicas: devices.mean_over_replicas takes them for all optimizers of a step at once, and Keras' own sum, a
    message for each optimizer, is left out.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars

    def update_step(self, gradient, variable, learning_rate) -> None:
        """Updates a tf.Variable and its moments."""
        step = tf.cast(self.iterations.value, tf.float32) + 1
        i = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[i].value.handle,
            v=self._velocities[i].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
