"""What an installation may do without."""

from __future__ import annotations

import importlib
from typing import Any

from clew.errors import ClientError


def needs(module: str, purpose: str) -> Any:
    """The module, of the extra `tools`. Raises ClientError that says what to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ClientError(f"{error.name} is missing {purpose}: pip install 'clew[tools]'") from error
