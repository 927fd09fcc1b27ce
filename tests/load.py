"""Many clients of an explorer at once: is every request answered in the end?

python -m tests.load http://127.0.0.1:8008 --clients=20 --seconds=60

Each client asks for samples of a test image, one after the other, and comes back when it is told that the server is
busy.
"""

import argparse
import json
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

PATIENCE = 400  # times that a client comes back for the same picture


def ask(url: str, value=None):
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


class Load:
    """Counts of pictures that were made, of answers that said to come back, and of what was lost; seconds a picture."""

    def __init__(self, base: str):
        self.base, self.counts, self.seconds = base, Counter(made=0, busy=0, lost=0), []
        model = ask(f"{base}/api/model")
        picture = ask(f"{base}/api/examples", {"index": 1})["picture"]
        self.head = {"recipe": 1, "model": model["fingerprint"], "picture": picture}

    def run(self, clients: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._client, args=(number, end)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, number: int, end: float) -> None:
        chance = random.Random(number)
        while time.monotonic() < end:
            operations = [{"op": "sample", "index": chance.randrange(1, 1000), "noise": 1.0}]
            recipe = {**self.head, "seed": chance.randrange(1 << 40), "operations": operations}
            start = time.monotonic()
            self.counts["made" if self._made(recipe, chance) else "lost"] += 1
            self.seconds.append(time.monotonic() - start)

    def _made(self, recipe: dict, chance: random.Random) -> bool:
        for _ in range(PATIENCE):
            try:
                return len(ask(f"{self.base}/api/render", {"recipes": [recipe]})["results"]) == 1
            except urllib.error.HTTPError as e:
                e.close()
                if e.code != 503:
                    return False
                self.counts["busy"] += 1
                time.sleep(0.05 + 0.2 * chance.random())
            except OSError:
                return False
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    load = Load(options.address.rstrip("/"))
    load.run(options.clients, options.seconds)
    times = sorted(load.seconds)
    print(dict(load.counts), f"median {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s")
    return 1 if load.counts["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
