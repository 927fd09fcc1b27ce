"""Where a run trains: one device, several, or several machines."""

import dataclasses
import resource
import sys
from collections.abc import Sequence
from typing import TypeVar

import tensorflow as tf

from libml.errors import UserError, first_line
from libml.system import cpu, hardware, interrupts
from libml.system.tf_config import place

Structure = TypeVar("Structure")  # tensors in lists, tuples and dicts, as tf.nest knows them


@dataclasses.dataclass(frozen=True)
class Devices:
    """A strategy and this process's place in it."""

    strategy: tf.distribute.Strategy
    worker: int = 0
    workers: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.worker == 0

    def gather(self, value: int) -> list[int]:
        """Every worker's value; all of them must call it together."""
        if self.workers == 1:
            return [value]
        row = [value if i == self.worker else 0 for i in range(self.workers)]
        return self._gathered(tf.constant(row, tf.int64)).numpy().tolist()

    @tf.function(autograph=False)
    def _gathered(self, row: tf.Tensor) -> tf.Tensor:
        def share() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            local = context.num_replicas_in_sync // self.workers
            first = tf.equal(context.replica_id_in_sync_group % local, 0)  # of the worker's replicas
            return tf.where(first, row, tf.zeros_like(row))

        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(share), axis=None)


def make_devices(
    batch: int,
    gpus: Sequence[int] | None = None,
    cpus: int = 1,
    tf_config: str | None = None,
    deterministic: bool = False,
    precision: str = "float32",
    threads_per_op: int = 0,
    join: bool = True,
) -> Devices:
    """The devices to train on. To be called before TensorFlow does anything else.

    Args:
        batch: the global batch size, which the devices share.
        gpus: which GPUs to use; None for all. Without any, the CPU.
        cpus: how many devices to make of the CPU, where there are no GPUs and no other machines.
        tf_config: contents of TF_CONFIG, which names the machines of a cluster; None for this machine alone.
        deterministic: only operations whose result never depends on timing.
        precision: of convolutions. tf32 lets GPUs round their inputs to TensorFloat-32, which the reference does not;
            bfloat16 on a CPU without instructions for it brings a warning.
        threads_per_op: cores that one operation may use, others working beside it; 0 for all.
        join: whether to join the cluster, and wait for it; else this machine alone is used.

    Raises:
        UserError: if there is no such GPU, none for tf32, TF_CONFIG makes no sense, or the devices cannot share the
            batch evenly.
    """
    check_precision(precision)
    if precision == "bfloat16" and not hardware.on_gpus() and not cpu.has_bfloat16():
        print("warning: this CPU has no instructions for bfloat16: float32 is many times as fast", file=sys.stderr)
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    if threads_per_op:
        tf.config.threading.set_intra_op_parallelism_threads(threads_per_op)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    if gpus is not None:
        hardware.choose_gpus(gpus)
    worker, workers = place(tf_config)  # TensorFlow reads TF_CONFIG even where one machine is meant
    if not join:
        worker, workers = 0, 1
    if cpus > 1:
        _divide_cpu(cpus, workers)
    if workers > 1:
        print(f"worker {worker} of {workers}: waiting for the others", flush=True)
        devices = Devices(_join_cluster(worker), worker, workers)
    else:
        names = hardware.gpus() or [f"/cpu:{i}" for i in range(cpus)]
        devices = Devices(tf.distribute.MirroredStrategy(names))
    check_batch(batch, devices.strategy.num_replicas_in_sync)
    return devices


def check_precision(precision: str) -> None:
    """Refuses tf32 where there is no GPU.

    Raises:
        UserError: saying so.
    """
    if precision == "tf32" and not hardware.on_gpus():
        raise UserError("--precision=tf32 is for GPUs, and this machine shows none: use float32 or bfloat16")


def _divide_cpu(cpus: int, workers: int) -> None:
    if hardware.on_gpus():
        raise UserError(f"--cpus={cpus} is for machines without GPUs: --gpus chooses among these")
    if workers > 1:
        raise UserError(f"--cpus={cpus} is for one machine: leave out TF_CONFIG")
    hardware.divide_cpu(cpus)


def _join_cluster(worker: int) -> tf.distribute.Strategy:
    """The strategy of all workers that TF_CONFIG names."""
    try:
        with interrupts.at_once():
            return tf.distribute.MultiWorkerMirroredStrategy(communication_options=_communication())
    except tf.errors.OpError as e:
        where = f"the address that TF_CONFIG gives worker {worker}"
        raise UserError(
            f"cannot listen at {where} ({first_line(e)}): is its port taken, or is it another machine's?"
        ) from e


def _communication() -> tf.distribute.experimental.CommunicationOptions:
    """NCCL between GPUs. TensorFlow left to itself takes its own ring over gRPC, by way of the hosts' memory."""
    ways = tf.distribute.experimental.CommunicationImplementation
    way = ways.NCCL if hardware.on_gpus() else ways.RING
    return tf.distribute.experimental.CommunicationOptions(implementation=way)


def replica_share(images: Sequence[tf.Tensor], noise: Sequence[tf.Tensor], local_replicas: int) -> list[tf.Tensor]:
    """This replica's part of a batch, in replica context.

    Args:
        images: this worker's part of the global batch, each [N / workers, ...].
        noise: drawn for the whole global batch, each [N, ...].
        local_replicas: replicas of each worker.

    Returns:
        The parts, [N / replicas, ...], of the images and then of the noise.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return [*images, *noise]
    share, replica = images[0].shape[0] // local_replicas, context.replica_id_in_sync_group
    starts = [replica % local_replicas * share] * len(images) + [replica * share] * len(noise)
    parts = [t[start : start + share] for t, start in zip([*images, *noise], starts, strict=True)]
    return [tf.ensure_shape(t, [share, *t.shape[1:]]) for t in parts]


def mean_over_replicas(values: Structure, replicas: int) -> Structure:
    """The means over the replicas of all tensors of a structure, in replica context: one message carries all of them.

    Over several, the tensors' shapes are the same on every replica; a ring of more than two adds in another order where
    tensors travel together, which rounds otherwise.
    """
    if replicas == 1:
        return values
    shares = tf.nest.map_structure(lambda value: value / replicas, values)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, shares)


def peak_memory() -> dict[str, float]:
    """The process's peak so far in GiB, by place: each GPU, or RAM where there is none."""
    gpus = hardware.gpus()
    if not gpus:
        return {"RAM": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}
    infos = [tf.config.experimental.get_memory_info(name.removeprefix("/device:")) for name in gpus]
    return {f"GPU {i}": info["peak"] / 2**30 for i, info in enumerate(infos)}


def check_batch(batch: int, replicas: int) -> None:
    """Raises UserError if `replicas` devices cannot share a batch evenly."""
    if batch % replicas:
        raise UserError(f"--batch={batch} cannot be shared evenly by {replicas} devices: use a multiple of {replicas}")
