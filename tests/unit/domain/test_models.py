"""Models are built when they are first used: each must be one that can be."""

import importlib
import pkgutil
import threading
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from provisioner import api, domain
from provisioner.api.answer import Resource
from provisioner.domain.values import FrozenModel


def models(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for kind in of.__subclasses__():
        yield kind
        yield from models(kind)


def ours() -> list[type[BaseModel]]:
    for package in (api, domain):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    return [*{*models(FrozenModel), *models(Resource)}]


def test_every_model_can_be_built() -> None:
    found = [kind for kind in ours() if not kind.__pydantic_generic_metadata__["parameters"]]
    assert len(found) > 150
    for kind in found:
        assert kind.model_rebuild(force=True) is not False, kind


def test_many_threads_may_be_the_first_to_use_a_model() -> None:
    class Part(FrozenModel):
        number: int

    class Whole(FrozenModel):
        parts: tuple[Part, ...]
        name: str = "whole"

    faults: list[Exception] = []
    together = threading.Barrier(16)

    def use() -> None:
        together.wait()
        try:
            assert Whole.model_validate({"parts": [{"number": "3"}]}).parts[0].number == 3
            Part.model_validate({"number": 1, "other": 2})
            faults.append(AssertionError("an unknown key was taken"))
        except ValidationError:
            pass
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and Whole.__pydantic_complete__
