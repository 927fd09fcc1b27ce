"""Our Adam against Keras'."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from libml.system.devices import mean_over_replicas
from libml.training.optimizer import Adam

SIZES = ((3, 3, 4, 5), (5,))


def trained(kind: type[keras.optimizers.Adam], strategy: tf.distribute.Strategy, beta_1: float) -> list[np.ndarray]:
    """Variables and moments after five steps of gradients between 1e-8 and 1."""
    with strategy.scope():
        variables = [keras.Variable(tf.random.stateless_normal(size, [0, len(size)])) for size in SIZES]
        optimizer = kind(0.01, beta_1=beta_1, beta_2=0.9, epsilon=1e-8)
        optimizer.build(variables)

    @tf.function(autograph=False)
    def step(i):
        def share():
            normals = [tf.random.stateless_normal(size, [1, i]) for size in SIZES]
            grads = [tf.sign(g) * tf.abs(g) ** 8 for g in normals]
            if kind is Adam:  # theirs sums over the replicas
                replicas = strategy.num_replicas_in_sync
                grads = mean_over_replicas([replicas * g for g in grads], replicas)
            optimizer.apply(grads, variables)

        strategy.run(share)

    for i in range(5):
        step(tf.constant(i))
    assert np.array(optimizer.iterations) == 5
    return [np.array(v) for v in (*variables, *optimizer._momentums, *optimizer._velocities)]


@pytest.mark.parametrize("beta_1", [0.0, 0.9])
@pytest.mark.parametrize("replicas", [1, 2])
def test_adam_is_keras_adam(beta_1, replicas, two_replicas):
    strategy = two_replicas if replicas == 2 else tf.distribute.get_strategy()
    theirs = trained(keras.optimizers.Adam, strategy, beta_1)
    for a, b in zip(trained(Adam, strategy, beta_1), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)
