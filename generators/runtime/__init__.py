"""What runs compiled programs: a model's linear layers on a device."""
