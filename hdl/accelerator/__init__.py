"""The accelerator around the LUT tensor core."""
