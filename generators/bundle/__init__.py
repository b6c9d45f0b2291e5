"""A design with what the tools of others ask for beside it: ``gen GENERATOR --bundle DIR``."""
