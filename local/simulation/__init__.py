"""The production template, workflows and handlers in one process, on a virtual clock."""
