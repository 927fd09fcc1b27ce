"""The embedded dataset as TFRecord files."""

import sys
from pathlib import Path


def make(data_dir: Path, size: int, train: int | None = None, test: int | None = None) -> None:
    """Draws toyfaces{size}-{test,train}.tfrecord into the data folder.

    Args:
        data_dir: the folder.
        size: side of the images.
        train: how many training images; all by default.
        test: how many test images; all by default.

    Raises:
        UserError: if the folder cannot be written.
    """
    from libml.datasets import records, toyfaces  # TensorFlow, which those who look up a name need not wait for
    from libml.system.counting import Counting

    train = toyfaces.TRAIN_IMAGES if train is None else train
    test = toyfaces.TEST_IMAGES if test is None else test
    spans = {"test": (toyfaces.TRAIN_IMAGES, toyfaces.TRAIN_IMAGES + test), "train": (0, train)}
    print(f"drawing toyfaces{size} into {data_dir}", file=sys.stderr, flush=True)
    with Counting(f"toyfaces{size}", train + test, "face") as counting:
        for split, (start, stop) in spans.items():

            def examples(start=start, stop=stop):
                for image in toyfaces.generate(toyfaces.SEED, start, stop, size):
                    counting.advance()
                    yield records.example(image)

            records.write(data_dir / f"toyfaces{size}-{split}.tfrecord", examples())
