"""Several workers on this machine."""

import json

from libml.system import tf_config
from libml.system.local_cluster import tf_configs


def test_workers_know_all_and_which_each_is():
    of_each = tf_configs(3)
    assert [tf_config.place(text) for text in of_each] == [(0, 3), (1, 3), (2, 3)]
    hosts = [json.loads(text)["cluster"]["worker"] for text in of_each]
    assert hosts[0] == hosts[1] == hosts[2] and len(set(hosts[0])) == 3
