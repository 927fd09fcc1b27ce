"""TF_CONFIG, which names the machines of a cluster. No TensorFlow."""

import re

from libml.errors import UserError
from libml.system import jsontext


def place(tf_config: str | None) -> tuple[int, int]:
    """The index of this worker and the number of workers.

    Args:
        tf_config: contents of TF_CONFIG; None or '' for one machine.

    Raises:
        UserError: if it makes no sense.
    """
    if not tf_config:
        return 0, 1
    try:
        config = jsontext.parse(tf_config)
        roles, kind, index = config["cluster"], config["task"]["type"], config["task"]["index"]
        workers, worker = roles["worker"], int(str(index))
    except (ValueError, KeyError, TypeError) as e:
        raise UserError(f"cannot understand TF_CONFIG ({e!r}): see docs/several-machines.md for an example") from e
    if set(roles) != {"worker"} or kind != "worker" or not isinstance(workers, list) or not 0 <= worker < len(workers):
        raise UserError("TF_CONFIG must name workers only, this process among them: see docs/several-machines.md")
    if wrong := [address for address in workers if not _is_address(address)]:
        raise UserError(f"TF_CONFIG names {wrong[0]!r}: write each worker as host:port, with a port from 1 to 65535")
    if len({*workers}) < len(workers):
        raise UserError("TF_CONFIG names a worker twice: each needs a host and a port of its own")
    return worker, len(workers)


def _is_address(address: object) -> bool:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+):([0-9]{1,5})", address) if isinstance(address, str) else None
    return match is not None and 0 < int(match[2]) < 65536
