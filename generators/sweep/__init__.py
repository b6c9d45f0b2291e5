"""``gen sweep``: many designs of a generator, measured, stored, and shown against each other."""
