"""The program of a compared method."""

from collections.abc import Callable

from libml import app
from libml.compared.method import ComparedMethod
from libml.compared.sampler import GeneratorSampler
from libml.datasets.catalogue import Dataset, lookup_fitting
from libml.system.devices import Devices
from libml.training import program
from libml.training.schedule import Phase


def _describe(method: ComparedMethod) -> str:
    networks = method._networks.items()
    return "\n".join(f"{name:<16}{network.count_params():,} parameters" for name, network in networks)


def _most_operations(method: ComparedMethod, phase: Phase) -> float:
    """More than those of an image's step: as if each weight were used at each pixel of the large image."""
    weights = sum(network.count_params() for network in method._networks.values())
    return 6 * weights * method.size**2


def main(method: type[ComparedMethod]) -> None:
    """A method's training program: defines its flags, reads them, trains."""
    app.define_flags(method.config_type)
    app.define_run_flags()

    def train_from_flags() -> None:
        config, folder = app.config_and_folder(method.config_type)
        options, device_options = app.run_options("dry_run"), app.device_options()

        def build(dataset: Dataset, devices: Devices) -> tuple[ComparedMethod, Callable]:
            place = (devices.strategy, devices.workers)
            model = method(config, dataset.colors, dataset.size, *place, options["data_dir"])
            sampler = GeneratorSampler(model.generator, config)
            return model, lambda phase, nimg: sampler

        if options.pop("dry_run"):
            dataset = lookup_fitting(config.dataset, options["data_dir"], config.scale, config.downscaler)
            program.dry_run(config, folder, dataset, device_options, build, _describe, _most_operations)
        else:
            app.check_folder(folder)
            program.train_on_dataset(config, folder, device_options, build, _describe, **options)

    app.run(train_from_flags, when_stopped="what was saved is kept, the same command goes on")
