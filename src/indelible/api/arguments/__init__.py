"""What callers give, looked at before any actor hears of it."""
