"""Processor time, in microseconds, of one operation of the Python libraries that golive-cache and golive-auth are measured
beside. Arguments: which. The environment: REDIS_URL, and for `pyjwt` TOKEN and KEY."""

import json
import os
import sys
import time

import redis

CALLS = 10_000


def cost(operation):
    for _ in range(CALLS // 10):
        operation()
    begun = time.process_time()
    for _ in range(CALLS):
        operation()
    return (time.process_time() - begun) / CALLS * 1e6


def limits():
    """The cheapest of its strategies, one that lets twice the limit pass at the edge of two windows."""
    from limits import parse, storage, strategies

    limiter = strategies.FixedWindowRateLimiter(storage.RedisStorage(os.environ["REDIS_URL"]))
    limit = parse("1000000000/hour")
    return cost(lambda: limiter.hit(limit, "user-1"))


def pyjwt():
    """Verifies a token and looks its identifier up, as the checklist has it."""
    import jwt

    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    token, key = os.environ["TOKEN"], os.environ["KEY"]
    # The token is of another day.
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}

    def authenticate():
        claims = jwt.decode(
            token, key, algorithms=["HS256"], audience="plant-api", issuer="plant", options=options
        )
        return connection.exists(f"blacklist:{claims['jti']}")

    return cost(authenticate)


if __name__ == "__main__":
    print(json.dumps({"limits": limits, "pyjwt": pyjwt}[sys.argv[1]]()))
