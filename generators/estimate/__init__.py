"""Whole models on an accelerator that need not be built: cycles, bytes, rooflines."""
