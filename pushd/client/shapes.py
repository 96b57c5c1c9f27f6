"""What the API answers, field by field as far as our commands read it; names as in the Platform API v3 schema.

The dictionaries are the server's JSON itself, so `--json` shows all of it.
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, Required, TypedDict, TypeVar

T = TypeVar("T")


class Changed(NamedTuple, Generic[T]):
    """The answer to a change, and the id under which dynos follow it; None when nothing has to follow."""

    value: T
    change_id: str | None


class Named(TypedDict):
    id: str
    name: str


class UserShape(TypedDict):
    id: str
    email: str


class InvitationShape(TypedDict):
    token: str | None  # shown once, when it is made
    expires_at: str


class UserWithInvitation(UserShape):
    """A user as admins see them."""

    name: str | None
    role: str
    apps: int
    has_password: bool
    invitation: InvitationShape | None
    created_at: str
    updated_at: str


class AppShape(TypedDict):
    id: str
    name: str
    git_url: str
    web_url: str | None
    maintenance: bool
    acm: bool
    owner: UserShape
    region: Named
    stack: Named
    build_stack: Named
    repo_size: int | None
    slug_size: int | None
    created_at: str
    released_at: str | None


class ProtectionShape(TypedDict):
    """One of what keeps apps apart."""

    name: str
    on: bool
    why: str


class AppDiskShape(TypedDict):
    """In bytes."""

    app: Named
    repository: int
    slugs: int
    environments: int
    caches: int
    outputs: int
    logs: int
    storage: int
    total: int


class DeedShape(TypedDict):
    """One entry of the audit trail; `outcome` is None for what has no end, `app` for what concerns none."""

    id: str
    sequence: int
    user: UserShape
    credential: str
    source: str
    action: str
    app: Named | None
    outcome: str | None
    details: dict[str, Any]
    created_at: str
    ended_at: str | None


class DiskShape(TypedDict):
    """In bytes, but for `free_files`."""

    size: int
    free: int
    reserve: int
    free_files: int | None
    store: int
    uploads: int
    total: int
    apps: list[AppDiskShape]


class Account(TypedDict):
    id: str
    email: str


class SlugRef(TypedDict):
    id: str


class ReleaseRef(TypedDict):
    id: str
    version: int


class ReleaseShape(TypedDict):
    id: str
    version: int
    description: str
    status: str  # pending, succeeded, failed, expired
    current: bool
    created_at: str
    user: UserShape
    slug: SlugRef | None
    eligible_for_rollback: bool
    addon_plan_names: list[str]
    output_stream_url: str | None


class DynoShape(TypedDict):
    id: str
    name: str
    type: str
    state: str
    size: str
    command: str
    attach_url: str | None
    release: ReleaseRef
    created_at: str
    updated_at: str


class Wanted(TypedDict, total=False):
    """What a one-off dyno is asked to be. With COLUMNS and LINES in `env` it gets a terminal, unless `force_no_tty`."""

    command: str
    attach: bool
    env: dict[str, str]
    size: str
    type: str
    force_no_tty: bool


class FormationShape(TypedDict):
    id: str
    type: str
    quantity: int
    size: str
    command: str


class FormationUpdate(TypedDict, total=False):
    """`quantity` is a text: "2", "+1" or "-1"."""

    type: Required[str]
    quantity: str
    size: str


class SourceBlob(TypedDict):
    version: str | None
    version_description: str | None


class BuildShape(TypedDict):
    id: str
    status: str  # pending, succeeded, failed
    source_blob: SourceBlob
    output_stream_url: str
    release: SlugRef | None
    reason: str  # ours: why it failed, else ""
    user: UserShape
    created_at: str
    updated_at: str


class DomainShape(TypedDict):
    id: str
    hostname: str
    kind: str  # heroku (the default one), custom
    cname: str | None
    status: str  # none, pending, succeeded, failed
    acm_status: str | None
    acm_status_reason: str | None
    app: Named
    sni_endpoint: Named | None
    created_at: str
    updated_at: str


SslCert = TypedDict(
    "SslCert",
    {
        "acm": bool,
        "ca_signed?": bool,
        "self_signed?": bool,
        "cert_domains": list[str],
        "issuer": str,
        "subject": str,
        "starts_at": str,
        "expires_at": str,
    },
)


class CertificateShape(TypedDict):
    id: str
    name: str
    domains: list[str]  # ids
    ssl_cert: SslCert


class CollaboratorShape(TypedDict):
    id: str
    user: UserShape
    role: str  # owner, collaborator


class KeyShape(TypedDict):
    id: str
    public_key: str
    comment: str
    email: str
    fingerprint: str


class DrainShape(TypedDict):
    id: str
    url: str
    token: str


class BuildpackRef(TypedDict):
    url: str
    name: str


class BuildpackShape(TypedDict):
    ordinal: int
    buildpack: BuildpackRef


class ResourcesShape(TypedDict):
    """None: no bound of its own."""

    type: str
    size: str | None
    memory_mb: int
    cpu: float | None
    processes: int
    open_files: int
    time_seconds: float | None
    slug_mb: int | None  # None for dynos
    set: list[str]


class SettingShape(TypedDict):
    name: str
    value: str
    default: str
    help: str


class ChangeShape(TypedDict):
    id: str
    state: str  # pending, succeeded, failed
    release: int | None
    reason: str | None


class AccessToken(TypedDict):
    id: str
    token: str  # masked, but in the answer that makes it
    expires_in: int | None  # seconds from now


class AuthorizationShape(TypedDict):
    id: str
    description: str
    scope: list[str]
    app: Named | None
    access_token: AccessToken
    user: UserShape
    created_at: str
    updated_at: str


class FeatureShape(TypedDict):
    id: str
    name: str
    description: str
    doc_url: str
    enabled: bool
    state: str  # general: shown by `features`; else by `labs`


class RegionShape(TypedDict):
    id: str
    name: str
    description: str
    private_capable: bool


class StackShape(TypedDict):
    id: str
    name: str
    state: str


class AddonShape(TypedDict):
    id: str
    name: str
    app: Named
    plan: Named
    state: str
