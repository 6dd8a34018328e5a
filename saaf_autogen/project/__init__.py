"""The composition root: a deployment folder becomes a working host.

``deployment.py`` reads and checks the folder, ``project.py`` wires it up.
"""

from saaf_autogen.project.deployment import Deployment, check_deployment, read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.project.project import Project

__all__ = ["Deployment", "Project", "check_deployment", "find_project", "read_deployment"]
