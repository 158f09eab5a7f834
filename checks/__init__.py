"""What `make check` runs beyond the tools themselves."""
