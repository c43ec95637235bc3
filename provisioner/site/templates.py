"""The one jinja2 environment: strict about what is undefined, edited templates first."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provisioner.system import shipped


class Templates:
    """Renders the files of `pxe/`."""

    def __init__(self, *folders: Path) -> None:
        """From the first of `folders` that has a file; else /etc/provisioner/pxe, then the shipped."""
        places = folders or (shipped.EDITED / "pxe", shipped.folder("pxe"))
        # boot scripts are not HTML; every value that goes in is checked by the model before
        self._environment = Environment(  # noqa: S701
            loader=FileSystemLoader(places),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, **values: object) -> str:
        """The template `name` with `values`. Raises jinja2.UndefinedError where a value is missing."""
        return self._environment.get_template(name).render(**values)
