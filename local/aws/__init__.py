"""AWS Backup, multi-party approval and RAM for one machine: what no emulator has.

`build_world` makes them; `install_botocore` puts them under every boto3 client of a process, and `World.front`
answers HTTP for the local cloud. They follow botocore's service models and are never kinder than AWS.
"""

from local.aws.settings import Settings
from local.aws.wire import Caller, Request, Response, install_botocore
from local.aws.world import World, build_world

__all__ = ["Caller", "Request", "Response", "Settings", "World", "build_world", "install_botocore"]
