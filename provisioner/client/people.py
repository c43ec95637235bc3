"""Calls about people: login, users, tokens."""

from provisioner.api.answer import ServiceAnswer
from provisioner.api.people import (
    Login,
    LoginAnswer,
    PasswordUpdate,
    TokenAnswer,
    TokenCreated,
    TokenList,
    TokenOrder,
    TokenQuery,
    TokenStatus,
    UserAnswer,
    UserList,
    UserStatus,
    UserUpdate,
    WhoAmI,
)
from provisioner.client.request import request
from provisioner.client.transport import Transport, quoted
from provisioner.domain.person import Role


class PeopleCalls(Transport):
    """Of `Client`: who the caller is, users, tokens."""

    def log_in(self, user: str, password: str) -> LoginAnswer:
        """A token for a user and his password."""
        return self.post(LoginAnswer, "/login", request(Login, user=user, password=password))

    def log_out(self) -> None:
        """The token that is shown is worth nothing any more."""
        self.post(ServiceAnswer, "/logout")

    def whoami(self) -> WhoAmI:
        """Who the service takes the caller for."""
        return self.get(WhoAmI, "/whoami")

    def users(self) -> tuple[UserStatus, ...]:
        """Everybody but root."""
        return self.get(UserList, "/users").users

    def put_user(self, name: str, role: Role, *, only_new: bool) -> UserStatus:
        """Add a user, or give one who is known another role."""
        body = request(UserUpdate, role=role, only_new=only_new)
        return self.put(UserAnswer, f"/users/{quoted(name)}", body).user

    def set_password(self, name: str, password: str, current: str = "") -> UserStatus:
        """Give a user a password; `current` is the caller's own, where he changes his by a token."""
        body = request(PasswordUpdate, password=password, current=current)
        return self.put(UserAnswer, f"/users/{quoted(name)}/password", body).user

    def remove_user(self, name: str) -> UserStatus:
        """Forget a user and his tokens."""
        return self.post(UserAnswer, f"/users/{quoted(name)}/remove").user

    def tokens(self, *, everybodys: bool = False) -> TokenList:
        """The caller's tokens, or everybody's."""
        return self.get(TokenList, "/tokens", TokenQuery(all=everybodys))

    def create_token(self, order: TokenOrder) -> TokenCreated:
        """Make one; its text is answered this once."""
        return self.post(TokenCreated, "/tokens", order)

    def revoke_token(self, ident: str) -> TokenStatus:
        """Let one be worth nothing."""
        return self.post(TokenAnswer, f"/tokens/{quoted(ident)}/revoke").token
