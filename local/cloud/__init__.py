"""The local cloud: AWS on one machine, over real HTTP, for the demo and the end-to-end tests."""
