"""The accelerator: instruction set, memory layout, and a simulator in exact arithmetic."""
