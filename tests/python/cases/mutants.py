"""Random changes of good tokens, whose answers are computed."""

import cat1
from cases.pieces import any_of, flipped, prefix


def mutate(rng, data):
    """One small change at a random place."""
    at, n = rng.randrange(len(data)), rng.randrange(1, 5)
    return rng.choice(
        [
            lambda: flipped(data, at, 1 << rng.randrange(8)),
            lambda: data[:at] + data[at + n :],
            lambda: data[:at] + bytes(rng.getrandbits(8) for _ in range(n)) + data[at:],
            lambda: data[:at] + data[at : at + n] + data[at:],
            lambda: data[:at] + rng.choice([b"\0", b"\xff", b"\x80"]) + data[at + 1 :],
        ]
    )()


def add_mutants(book, count):
    """Random changes of good tokens. The answer is this implementation's own; kept are those that tell on no state of
    the verifier that the holder cannot know."""
    get, narrow = any_of("methods", "GET"), cat1.attenuate_key(book.key, prefix("/albums"))
    bases = [book.mint(get, claims_type="a.B", claims=b"x"), book.mint(get, key=narrow), book.mint()]
    facts = cat1.facts_of(book.facts)
    made = tries = 0
    while made < count and tries < 50 * count:
        tries += 1
        base = cat1.token_bytes(book.rng.choice(bases))
        data = mutate(book.rng, base)
        text = cat1.to_text(cat1.TOKEN_PREFIX, data)
        try:
            book.holder.verify(text, facts, book.now)
        except cat1.Refused as refused:
            if data != base and refused.code in ("malformed", "bad_tag", "wrong_service"):
                made += 1
                book.add(f"mutant {made}", refused.code, text)
