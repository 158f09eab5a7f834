"""The `airlift` command: starts, watches and steers recoveries, and checks and deploys the plan."""
