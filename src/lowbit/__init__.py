"""Generators of synthesizable RTL for low-bit LLM inference."""
