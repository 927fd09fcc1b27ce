"""Several workers on this machine, for measuring and for tests. No TensorFlow."""

import json
import socket


def tf_configs(count: int) -> list[str]:
    """TF_CONFIG of each of so many workers of one cluster, at ports that nobody uses now."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    hosts = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    tasks = [{"type": "worker", "index": i} for i in range(count)]
    return [json.dumps({"cluster": {"worker": hosts}, "task": task}) for task in tasks]
