"""Tokens for programs: make, list, revoke."""

from provisioner.api.people import TokenAnswer, TokenCreated, TokenList, TokenOrder, TokenQuery, TokenStatus
from provisioner.deployment import people
from provisioner.web.request import the_caller, the_site


def list_all(query: TokenQuery) -> TokenList:
    """The caller's tokens without their texts; with `all` everybody's, for admins."""
    site = the_site()
    found = people.tokens_of(site, the_caller(), everybodys=query.all)
    return TokenList(tokens=tuple(TokenStatus.model_validate(token) for token in found), now=site.clock())


def create(body: TokenOrder) -> TokenCreated:
    """A token of the caller's, or by an admin another user's; its text is shown this once."""
    token, text = people.create_token(
        the_site(), the_caller(), user=body.user, role=body.role, days=body.days, note=body.note
    )
    return TokenCreated(token=TokenStatus.model_validate(token), text=text)


def revoke(ident: str) -> TokenAnswer:
    """Let a token be worth nothing from now on; another user's is revoked by admins."""
    return TokenAnswer(token=TokenStatus.model_validate(people.revoke_token(the_site(), the_caller(), ident)))
