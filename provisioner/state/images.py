"""The catalogue of images: what each version is; the bytes lie in files (state/image_files.py)."""

from provisioner.domain.audit import Entry
from provisioner.domain.image import Image
from provisioner.errors import UnreadableError
from provisioner.state import audit
from provisioner.state.connection import Row, Table, first_of

SELECT = "SELECT id, body FROM images"


class Images(Table):
    """Images by id; one that cannot be read is left out of lists."""

    NOUN = "the image"
    HINT = "add it again: provision image add PACK"

    def all(self) -> list[Image]:
        """All images by id."""
        return self._readable(self._connection.rows(f"{SELECT} ORDER BY id"), _image, first_of)

    def unreadable(self) -> list[UnreadableError]:
        """Why each of those that cannot be read is left out of lists."""
        return self._sift(self._connection.rows(SELECT), _image, first_of)[1]

    def require_readable(self, text: str) -> None:
        """Raises UnreadableError (PV-612) where an image of this id or name is there and cannot be read."""
        sql = f"{SELECT} WHERE id = ? OR substr(id, 1, ?) = ?"
        for row in self._connection.rows(sql, text, len(text) + 1, f"{text}@"):
            self._read(row, _image, row["id"])

    def put(self, image: Image, entry: Entry | None = None) -> None:
        """Add an image to the catalogue, or replace what is known of it; `entry` is its line in the audit."""
        with self._connection.writing() as db:
            if entry:
                audit.record(self._connection, entry)
            db.table("images").upsert({"id": image.id, "body": image.model_dump_json()}, pk="id")

    def remove(self, ident: str) -> None:
        """Take an image out of the catalogue, inside the caller's transaction; its files stay.

        Raises ServiceError where no transaction is open.
        """
        self._connection.require_transaction()
        self._connection.db.execute("DELETE FROM images WHERE id = ?", [ident])


def _image(row: Row) -> Image:
    return Image.model_validate_json(str(row["body"]))
