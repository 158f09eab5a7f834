"""What moto leaves out: images keep their disks, DocumentDB is an engine, RDS has a role. And what takes it long."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import moto.core.responses
import moto.kms.models
from botocore.useragent import UserAgentString
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.core.utils import method_names_from_class
from moto.ec2.models.amis import Ami
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix
from moto.iam.models import iam_backends
from moto.kms.utils import generate_private_key
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBCluster, DBInstance, RDSBackend
from moto.rds.utils import ClusterEngine, DbInstanceEngine
from moto.sns.models import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from moto.core.responses import ActionResult

_one_key_pair = cache(generate_private_key)
_method_names = cache(method_names_from_class)
_DISKS = "airlift_disks"
_NO_ROLE = (
    "Missing necessary credentials. Please check "
    "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAM.ServiceLinkedRoles.html"
)
"""What RDS says where it would have to make its own role first, as field reports quote it."""
_DOCDB = {"version": "5.0.0", "port": 27017}


def enter(stack: ExitStack) -> None:
    """Mend moto until `stack` is closed."""
    # Loading the images of every account takes longer than a recovery.
    stack.enter_context(patch("moto.settings.ec2_load_default_amis", lambda: False))
    mended: list[tuple[Any, str, Any]] = [
        (Subscription, "private_key", lambda _: _signing_key()),
        # An encryption key gets a key pair as well, that only signing would use.
        (moto.kms.models, "generate_private_key", _one_key_pair),
        # Asked at each call, for classes of hundreds of methods.
        (moto.core.responses, "method_names_from_class", _method_names),
        # Put together anew for each call, and read by nobody.
        (UserAgentString, "to_string", lambda _: "simulated"),
        # moto looks through every resource's tags for those of one.
        (TaggedEC2Resource, "get_tags", _own_tags),
        (AmisResponse, "register_image", _register_image(AmisResponse.register_image)),
        (AmisResponse, "deregister_image", _deregister_image(AmisResponse.deregister_image)),
        (Ami, "block_device_mappings", property(_block_device_mappings)),
        (RDSBackend, "create_subnet_group", _create_subnet_group(RDSBackend.create_subnet_group)),
        (ClusterEngine, "list_cluster_engines", _with_docdb(ClusterEngine.list_cluster_engines)),
        (DbInstanceEngine, "valid_db_instance_engine", _with_docdb(DbInstanceEngine.valid_db_instance_engine)),
        (DBCluster, "default_engine_version", _docdb_has(_DOCDB["version"], DBCluster.default_engine_version)),
        (DBCluster, "default_port", _docdb_has(_DOCDB["port"], DBCluster.default_port)),
        (DBCluster, "default_allocated_storage", _docdb_has(0, DBCluster.default_allocated_storage)),
        (DBInstance, "default_port", _docdb_has(_DOCDB["port"], DBInstance.default_port)),
        (DBInstance, "default_allocated_storage", _docdb_has(0, DBInstance.default_allocated_storage)),
    ]
    for owner, name, value in mended:
        stack.enter_context(patch.object(owner, name, value))
    # Of its DSQL moto knows two Regions only.
    stack.enter_context(patch.dict("os.environ", {"MOTO_ALLOW_NONEXISTENT_REGION": "true"}))
    versions = {"docdb": _DOCDB["version"]}
    stack.enter_context(patch.dict(DBInstance.default_engine_versions, versions))


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    """What messages are signed with; nobody verifies it here, and a key for each subscription takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _own_tags(resource: Any) -> list[dict[str, str]]:
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "")
    tags = resource.ec2_backend.tags.get(resource.id, {})
    return [{"resource_id": resource.id, "key": key, "value": tags[key], "resource_type": kind} for key in tags]


def _register_image(original: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    def register_image(self: Any) -> ActionResult:
        """Keep the disks that were asked for, in place of the one moto makes up."""
        answer = original(self)
        backend = self.ec2_backend
        image = backend.amis[answer.result["ImageId"]]  # type: ignore[index]
        backend.snapshots.pop(image.ebs_snapshot.id)
        image.root_device_name = self._get_param("RootDeviceName", image.root_device_name)
        image.root_device_type = "ebs"
        image.architecture = self._get_param("Architecture", image.architecture)
        image.virtualization_type = self._get_param("VirtualizationType", image.virtualization_type)
        setattr(image, _DISKS, self._get_param("BlockDeviceMappings", []))
        return answer

    return register_image


def _deregister_image(original: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    def deregister_image(self: Any) -> ActionResult:
        """With DeleteAssociatedSnapshots, the snapshots go as well."""
        image = self.ec2_backend.amis.get(self._get_param("ImageId"))
        answer = original(self)
        if self._get_bool_param("DeleteAssociatedSnapshots", False):
            for disk in getattr(image, _DISKS, ()):
                self.ec2_backend.snapshots.pop(disk["Ebs"]["SnapshotId"], None)
        return answer

    return deregister_image


def _block_device_mappings(image: Any) -> list[dict[str, Any]]:
    disks: list[dict[str, Any]] = getattr(image, _DISKS, [])
    return disks


def _create_subnet_group(original: Callable[..., Any]) -> Callable[..., Any]:
    def create_subnet_group(self: RDSBackend, *args: Any) -> Any:
        """RDS's service-linked role must be there: RDS makes it only for whoever may make roles, and none here may."""
        roles = iam_backends[self.account_id]["aws"].roles.values()
        if "AWSServiceRoleForRDS" not in {role.name for role in roles}:
            raise RDSClientError("InvalidParameterValue", _NO_ROLE)
        return original(self, *args)

    return create_subnet_group


def _with_docdb(original: Callable[[], list[str]]) -> Callable[[], list[str]]:
    return lambda: sorted([*original(), "docdb"])


def _docdb_has(value: Any, original: Callable[..., Any]) -> Any:
    return staticmethod(lambda engine, **more: value if engine == "docdb" else original(engine, **more))
