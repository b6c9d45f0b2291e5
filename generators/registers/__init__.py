"""What software needs of a register map: a C header, a table."""
