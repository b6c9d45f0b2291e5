"""The tiny model's file."""

from __future__ import annotations

import pytest

from .tiny import Tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The model as it is by default, and its file: (Tiny, path). Not to be changed."""
    model = Tiny()
    return model, model.write(tmp_path_factory.mktemp("llm") / "tiny.gguf")
