"""The accelerator around the LUT tensor core: what software sees of it."""
