"""A process of the call tests: places orders at URL and is killed; FILE tells of each charge.

The number of each order that was accepted stands on standard output.  With ``0`` orders it places
none, says ``ready``, and goes on until its stdin ends.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from indelible import ActorSystem, RetryPolicy
from orders import Order


def main(url: str, path: str, first: int, most: int) -> None:
    """Place orders ``first`` to ``most``; every third charge fails at its first two attempts."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def charge(context: Any, number: int) -> str:
        os.write(file, f"{context.idempotency_key} {context.attempt}\n".encode())
        time.sleep(number % 7 / 1_000)
        if number % 3 == 0 and context.attempt < 3:
            raise ValueError("no money")
        return f"ch_{number}"

    async def charge_async(context: Any, number: int) -> str:
        return charge(context, number)

    function = charge_async if (first // max(1, most - first)) % 2 else charge
    retry = RetryPolicy(attempts=1_000, delay=0.02)
    with ActorSystem(
        url, actors=[Order(retry)], calls={"charge": function}, drain=1, lease=30
    ) as system:
        if not most:
            os.write(1, b"ready\n")
            sys.stdin.read()
            return
        for number in range(first, most):
            system.actor(Order, str(number)).ask(number)
            os.write(1, f"{number}\n".encode())
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
