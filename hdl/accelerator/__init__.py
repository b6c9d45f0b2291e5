"""The accelerator around the LUT tensor core: buffers, instructions, bus."""
