"""Single use: SPEC 5, step 8."""

import cat1
from cases.pieces import any_of, bound, once
from cat1 import caveat


def add_single_use(book):
    """Cases that have to be sent in their order. Their tokens begin at now + leeway, the only ones that a verifier
    accepts soon after a restart: it has to be up for a second before `now`."""
    get = any_of("methods", "GET")
    late = min(book.now + book.leeway, book.key.id.expires_at)

    def fresh(*caveats, key=None):
        return book.mint(*caveats, key=key, begin=late, end=max(late, book.end))

    def series(name, *steps):
        before = None
        for i, (want, token, *facts) in enumerate(steps):
            step = f"once: {name}, {i + 1}"
            book.add(step, want, token, *facts, after=before)
            before = step

    token = fresh(once(book.random()))
    series("used again", ("ok", token), ("replayed", token), ("replayed", token))
    token = fresh(once(book.random()))
    more = cat1.attenuate_token(token, get)
    series("a caveat more", ("ok", token), ("replayed", more))
    token = fresh(once(book.random()))
    series("a caveat less", ("ok", cat1.attenuate_token(token, get)), ("replayed", token))
    base = fresh()
    one, two = (cat1.attenuate_token(base, once(book.random())) for _ in range(2))
    series(
        "added by holders",
        *[("ok", base), ("ok", one), ("replayed", one), ("ok", two), ("ok", base), ("replayed", two)],
    )
    narrow = cat1.attenuate_key(book.key, once(book.random()))
    token, sibling = fresh(key=narrow), fresh(key=narrow)
    series("in the key", ("ok", token), ("replayed", token), ("ok", sibling), ("replayed", sibling))
    token = fresh(key=narrow)
    branches = [cat1.attenuate_token(token, once(book.random())) for _ in range(2)]
    series("in the key and in the token", ("ok", branches[0]), ("replayed", branches[1]), ("replayed", token))
    token = fresh(once(book.random()))
    branches = [cat1.attenuate_token(token, once(book.random())) for _ in range(2)]
    series("the first of two counts", ("ok", branches[0]), ("replayed", branches[1]), ("replayed", token))
    token = fresh(get, once(book.random()))
    series(
        "a refusal does not use it up",
        *[("caveat_failed", token, {"method": "POST"}), ("ok", token), ("replayed", token)],
    )
    token = fresh(once(book.random()))
    forged = token._replace(tag=bytes(32))
    series("a forgery does not use it up", ("bad_tag", forged), ("ok", token), ("replayed", token), ("bad_tag", forged))
    token = fresh(once(book.random()))
    failing = cat1.attenuate_token(token, any_of("methods", "POST"))
    series("a refusal comes before a replay", ("ok", token), ("caveat_failed", failing), ("replayed", token))
    same = once(book.random())
    series("two tokens, same id", ("ok", fresh(same)), ("ok", fresh(same)))
    token = fresh(caveat("single_use", id=book.random()), bound(book.facts))
    series("bound to the request", ("ok", token), ("replayed", token))
