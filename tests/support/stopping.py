"""Methods that a user stops at a position."""

import os
import signal


def stopping(method: type) -> type:
    """The method, which sends itself a signal, `number`, after the step at image `stop_at`."""

    class Stopping(method):
        stop_at, number = None, signal.SIGTERM

        def train_step(self, batch, phase, nimg):
            super().train_step(batch, phase, nimg)
            if nimg == self.stop_at:
                os.kill(os.getpid(), self.number)

    return Stopping
