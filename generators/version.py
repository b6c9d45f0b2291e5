"""Version of the package, from its metadata (pyproject.toml is the authority)."""

from importlib.metadata import version as _version

__all__ = ["version"]


def version() -> str:
    return _version("lowbit")
