"""How fast many GPUs would train by arithmetic: a model of a step from what one GPU does and how fast links are.

Nothing of it was measured on a GPU. A step computes, then all gradients travel in one ring; reading images goes on
beside both. It leaves out waiting for the slowest GPU and whatever else uses the links. No TensorFlow.
"""

import dataclasses

# Of a step on several hosts: gradients with losses, and whether a worker was asked to stop. Else the first alone.
MESSAGES = 2
HOPS = 2  # of a part in a ring, for each GPU but one: once to be summed, once to be spread


@dataclasses.dataclass(frozen=True)
class Hardware:
    """What GPUs, hosts and links can do."""

    images: float  # a second, that one GPU trains on
    per_step: float = 0.01  # seconds of a step that do not grow with its images: a thousand operations to be launched
    per_host: int = 8  # GPUs
    inside: float = 200e9  # bytes a second from a GPU to its neighbour in a host, each way
    between: float = 12.5e9  # bytes a second from a host to its neighbour, each way
    latency: float = 20e-6  # seconds of a message from a GPU to its neighbour
    decoded: float = 100e3  # images a second that one host decodes
    dealt: float = 100e3  # records a second that a host looks at to find those that are its own


@dataclasses.dataclass(frozen=True)
class Step:
    """Seconds of a step, and what follows from them."""

    images: int  # of all GPUs
    computing: float
    sending: float
    reading: float  # beside the other two

    @property
    def seconds(self) -> float:
        """How long a step takes."""
        return max(self.computing + self.sending, self.reading)

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds

    @property
    def lost_to_sending(self) -> float:
        """Share of the time in which gradients travel."""
        return self.sending / self.seconds

    @property
    def lost_to_reading(self) -> float:
        """Share of the time in which GPUs wait for images."""
        return 1 - (self.computing + self.sending) / self.seconds


def ring_seconds(size: float, members: int, link: float, latency: float, messages: int = 1) -> float:
    """Seconds until each member of a ring has the sum of all members' arrays.

    Each array is cut into as many parts as there are members. Every part goes round nearly twice, all parts at a time.

    Args:
        size: bytes of an array.
        members: of the ring.
        link: bytes a second from a member to the next.
        latency: seconds of a message on its way to the next.
        messages: in which an array is sent.
    """
    hops = HOPS * (members - 1)
    return hops * (size / members / link + messages * latency)


def step(hardware: Hardware, gpus: int, batch: float, size: float) -> Step:
    """A step of several GPUs.

    Args:
        hardware: what they can do.
        gpus: how many.
        batch: images of each GPU; below one where the global batch has fewer images than there are GPUs.
        size: bytes of all gradients.
    """
    hosts = -(-gpus // hardware.per_host)
    link = hardware.inside if hosts == 1 else min(hardware.inside, hardware.between)
    images = batch * gpus
    dealing = images / hardware.dealt if hosts > 1 else 0.0  # each host looks at the records of all
    return Step(
        images=round(images),
        computing=hardware.per_step + batch / hardware.images,
        sending=ring_seconds(size, gpus, link, hardware.latency, MESSAGES if hosts > 1 else 1),
        reading=max(images / hosts / hardware.decoded, dealing),
    )


def least_batch(hardware: Hardware, gpus: int, size: float, share: float) -> float:
    """Images of each GPU from which on computing takes at least this share of what computing and sending take."""
    sending = step(hardware, gpus, 1, size).sending
    return max(0.0, (sending * share / (1 - share) - hardware.per_step) * hardware.images)
