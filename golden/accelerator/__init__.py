"""The accelerator: instruction set, memory layout, registers, and a simulator in exact arithmetic."""
