"""For tests by users of SAAF: a clock to move, a host to run, a model server to talk to."""

from saaf_autogen.testing.clock import ManualClock
from saaf_autogen.testing.host import RunningHost, free_port

__all__ = ["ManualClock", "RunningHost", "free_port"]
