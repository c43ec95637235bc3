"""Judges what a host has shown: a table of checks, each pure; what is not proven is never said to be good."""

from provisioner.verify.judge.host import foresee
from provisioner.verify.judge.judgement import judge, sanity_failure, tasks
from provisioner.verify.judge.table import CHECKS

__all__ = ["CHECKS", "foresee", "judge", "sanity_failure", "tasks"]
