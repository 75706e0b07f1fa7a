"""Every compiled read of the domain, found in the code."""

from importlib import import_module
from pkgutil import walk_packages

import tksk_api.domain
from tksk_api.database.reads import Resource


def resources() -> dict[str, Resource]:
    """Every Resource of the domain, by module and name."""
    modules = [import_module(found.name) for found in walk_packages(tksk_api.domain.__path__, "tksk_api.domain.")]
    found = {
        id(value): (f"{module.__name__.removeprefix('tksk_api.domain.')}.{name}", value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Resource)
    }
    return dict(found.values())


RESOURCES = resources()
