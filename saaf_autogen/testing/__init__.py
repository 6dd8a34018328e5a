"""For tests by users of SAAF: a clock to move, a host to run, a receiver of its callbacks.

``openai_server`` is a model server that speaks OpenAI's API and says what a script tells it.
"""

from saaf_autogen.testing.clock import ManualClock
from saaf_autogen.testing.host import RunningHost, free_port
from saaf_autogen.testing.receiver import CallbackReceiver, ReceivedCallback

__all__ = ["CallbackReceiver", "ManualClock", "ReceivedCallback", "RunningHost", "free_port"]
