"""People: logins, users, and the tokens of their programs."""

from typing import Literal

from pydantic import Field, StrictBool

from provisioner.api.answer import Query, Resource, ServiceAnswer
from provisioner.domain.person import Role, UserName
from provisioner.domain.values import FrozenModel, Text

LONGEST_PASSWORD = 1000  # characters
MOST_DAYS = 366  # for which a token is made


class Login(FrozenModel):
    """Name and password of who wants to come in."""

    user: str = Field(max_length=64)
    password: str = Field(max_length=LONGEST_PASSWORD, repr=False)


class LoginAnswer(ServiceAnswer):
    """The token that stands for the user until `expires` (seconds since 1970); nobody will see it again."""

    user: str
    role: Role
    token: str = Field(repr=False)
    expires: float


class WhoAmI(ServiceAnswer):
    """Who the service takes the caller for, and why: the Unix socket's peer, or a token until `expires`."""

    user: str
    role: Role
    way: Literal["socket", "token"]
    token: str = ""
    expires: float = 0


class UserStatus(Resource):
    """A user. Without a password he comes in as the Linux user of that name alone, or by tokens."""

    name: str
    role: Role
    has_password: bool
    created: float
    created_by: str


class UserList(ServiceAnswer):
    """Everybody but root, who is an admin by itself."""

    users: tuple[UserStatus, ...]


class UserUpdate(FrozenModel):
    """The role that a user shall have: one who is known, or with `only_new` one who is not."""

    role: Role
    only_new: StrictBool = False


class PasswordUpdate(FrozenModel):
    """The new password; whoever came in by a token says his own `current` one."""

    password: str = Field(max_length=LONGEST_PASSWORD, repr=False)
    current: str = Field("", max_length=LONGEST_PASSWORD, repr=False)


class UserAnswer(ServiceAnswer):
    """A user as he is now, or as he was."""

    user: UserStatus


class TokenStatus(Resource):
    """A token without its text: whose, what it may do at most, for what, until when (seconds since 1970)."""

    id: str
    user: str
    role: Role
    kind: Literal["login", "token"]
    note: str
    created: float
    expires: float


class TokenQuery(Query):
    """With `all` everybody's, for admins."""

    all: bool = False


class TokenList(ServiceAnswer):
    """The oldest first, those that have expired included; and the service's time `now`."""

    tokens: tuple[TokenStatus, ...]
    now: float


class TokenOrder(FrozenModel):
    """A token of `user` (empty: the caller's), for a `role` no higher than his own; `note` says what for."""

    user: UserName | Literal[""] = ""
    role: Role | None = None
    days: float = Field(90, gt=0, le=MOST_DAYS)
    note: Text = ""


class TokenCreated(ServiceAnswer):
    """The token and its `text`, which nobody will see again."""

    token: TokenStatus
    text: str = Field(repr=False)


class TokenAnswer(ServiceAnswer):
    """A token that is worth nothing any more."""

    token: TokenStatus
