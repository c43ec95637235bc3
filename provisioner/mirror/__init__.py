"""The site mirror: what an image is built from, locked, fetched once, signed, served; and the air gap's proof."""
