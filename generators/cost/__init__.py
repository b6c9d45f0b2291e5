"""Area and longest path from parameters alone, by a model fitted to synthesised designs."""
