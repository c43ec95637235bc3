"""The catalogue of images: what each version is; the bytes lie in files (state/image_files.py)."""

from provisioner.domain.image import Image
from provisioner.state.connection import Table


class Images(Table):
    """Images by id."""

    def all(self) -> list[Image]:
        """All images by id."""
        rows = self._connection.rows("SELECT * FROM images ORDER BY id")
        return [Image.model_validate_json(str(row["body"])) for row in rows]

    def put(self, image: Image) -> None:
        """Add an image to the catalogue, or replace what is known of it."""
        with self._connection.writing() as db:
            db.table("images").upsert({"id": image.id, "body": image.model_dump_json()}, pk="id")
