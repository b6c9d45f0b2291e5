"""The compiler: a model's linear layers to a memory image and programs of an accelerator."""
