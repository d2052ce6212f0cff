"""A process to be killed: its actors answer deposits as fast as they can.

What the parent reads on standard output is acknowledged: ``<account> <balance>`` after each reply.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import deciders
from deciders import Deposited
from indelible import ActorSystem, Decision, Tell


class Account(deciders.Account):
    """Balance of one account; every tenth deposit is also told to the account ``total``."""

    def decide(self, state: int, message: Any) -> Decision:
        balance = state + message
        tells = [Tell("account", "total", 10)] if message == 1 and balance % 10 == 0 else []
        return Decision([Deposited(message)], balance, tells)


def main(store: str) -> None:
    """Deposit into four accounts at once, for ever."""
    with ActorSystem(f"sqlite:///{store}", actors=[Account()]) as system:

        def deposit(name: str) -> None:
            account = system.actor("account", name)
            while True:
                os.write(1, f"{name} {account.ask(1)}\n".encode())

        threads = [threading.Thread(target=deposit, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
