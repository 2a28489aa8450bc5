"""What cases are made of: short names for caveats, and small changes of tokens."""

import cat1
from cat1 import caveat


def any_of(kind, *entries):
    return caveat(kind, any_of=list(entries))


def window(begin=0, end=0):
    return caveat("time_window", not_before=begin, not_after=end)


def prefix(p):
    return caveat("path_prefix", prefix=p)


def once(i):
    return caveat("single_use", id=i)


def bound(facts, body=False, **other):
    """A request caveat for facts, some of them replaced."""
    f = dict(facts, **other)
    sha = bytes.fromhex(f["body_sha256"]) if body else b""
    return caveat("request", digest=cat1.request_digest(f["method"], f["authority"], f["path"], sha), body=body)


def claiming(token, **changes):
    """The token with another KeyId, its tag as it was."""
    return token._replace(key=token.key._replace(**changes))


def others(own, most, *numbers):
    """Those of the numbers that fit their type and are not the key's own."""
    return sorted(n for n in set(numbers) - {own} if 0 <= n <= most)


def flipped(data, i, bit=1):
    return data[:i] + bytes([data[i] ^ bit]) + data[i + 1 :]
