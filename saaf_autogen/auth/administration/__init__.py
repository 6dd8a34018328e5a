"""What admins do: each change of users, groups, clients, grants and keys has its one door here.

Every door takes who acts, asks for ``iam:admin`` in effect, keeps to the tenant of who acts, and
writes the audit record in the transaction of the change.
"""

from saaf_autogen.auth.administration.service import Administration

__all__ = ["Administration"]
