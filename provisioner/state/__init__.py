"""Keeps: the database and the files of the state folder."""
