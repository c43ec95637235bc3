"""Ends a loop that waits in select or epoll; any thread may do so (eventfd(2))."""

import os


class StopEvent:
    """A file descriptor that becomes readable when the loop shall end; any thread may `set` it."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """For selectors."""
        return self._event

    def set(self) -> None:
        """End the loop."""
        if self._event >= 0:
            os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._event >= 0:
            os.close(self._event)
            self._event = -1
