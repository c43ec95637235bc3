"""What schemathesis is told of this API that its description cannot say (SCHEMATHESIS_HOOKS)."""

from typing import Any

import schemathesis


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: "schemathesis.Case[Any]", kwargs: dict[str, Any]
) -> None:
    """`wait` is obeyed: each request would take its 25 seconds."""
    if case.query:
        case.query.pop("wait", None)
