"""What stands in for AWS on one machine: the local cloud and the simulation."""
