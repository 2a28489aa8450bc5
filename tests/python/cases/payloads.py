"""Payloads and their times: SPEC 5, step 6."""

import cat1
from cases.pieces import any_of, once, window


def add_plain(book):
    """Tokens without caveats that pass."""
    key_id, now, end = book.key.id, book.now, book.end
    book.add("plain", "ok", book.mint())
    book.add("begins now", "ok", book.mint(begin=now))
    book.add("begins in the leeway", "ok", book.mint(begin=min(now + book.leeway // 2, end)))
    soon = min(now + book.leeway, end)
    if book.leeway >= 20:  # else it would be over before it arrives
        book.add("an instant", "ok", book.mint(begin=soon, end=soon))
    book.add("greatest lifetime", "ok", book.mint(begin=end - book.max_lifetime))
    if key_id.expires_at - now <= book.max_lifetime:
        book.add("ends with its key", "ok", book.mint(begin=now, end=key_id.expires_at))
    book.add("claims", "ok", book.mint(claims_type="acme.v1.Hello", claims=b"\x0a\x05hello"))
    book.add("claims without a type", "ok", book.mint(claims=b"\0\xff"))
    book.add("claims type alone", "ok", book.mint(claims_type="x"))
    book.add("claims type of 200", "ok", book.mint(claims_type="aZ09_." * 33 + "x."))
    spare = cat1.MAX_TOKEN - len(cat1.token_bytes(book.mint(claims=b"\xff" * 4096))) + 4096
    book.add("8192 bytes", "ok", book.mint(claims=b"\xff" * spare))
    book.add("8193 bytes", "malformed", book.mint(claims=b"\xff" * (spare + 1)))


def add_times(book):
    """Times that do not pass, and which of two codes comes first."""
    now, leeway, expires = book.now, book.leeway, book.key.id.expires_at
    end, limit = book.end, book.max_lifetime
    later = min(now + leeway + 3600, expires)
    if later > now + leeway + 60:
        book.add("begins later", "not_yet_valid", book.mint(begin=later, end=later))
        book.add("begins later, caveat fails", "not_yet_valid", book.mint(any_of("methods"), begin=later, end=later))
    if expires - limit > now + leeway + 1801:
        soon = now + leeway + 1800
        book.add("begins later, for too long", "not_yet_valid", book.mint(begin=soon, end=soon + limit + 1))
    over = now - leeway - 1
    book.add("ended", "expired", book.mint(begin=over - 60, end=over))
    book.add("ended long ago", "expired", book.mint(begin=1, end=2))
    book.add("no times at all", "expired", book.mint(begin=0, end=0))
    book.add("ended, for too long", "expired", book.mint(begin=0, end=over))
    book.add("ended, caveat fails", "expired", book.mint(any_of("scopes"), begin=over - 60, end=over))
    book.add("ended, single use", "expired", book.mint(once(book.random()), begin=over - 60, end=over))
    book.add("a second too long", "lifetime_too_long", book.mint(begin=end - limit - 1))
    book.add("much too long", "lifetime_too_long", book.mint(begin=0))
    book.add("too long, caveat fails", "lifetime_too_long", book.mint(any_of("scopes"), begin=0))
    book.add("ends before it begins", "malformed", book.mint(begin=now, end=now - 1))
    book.add("ends before it begins, later", "malformed", book.mint(begin=now + leeway + 9999, end=now))
    book.add("begins at the end of time", "malformed", book.mint(begin=cat1.U64))
    if expires < cat1.U64:
        book.add("outlives its key by a second", "malformed", book.mint(end=expires + 1))
        book.add("outlives its key for ever", "malformed", book.mint(end=cat1.U64))
        book.add("outlives its key, caveat fails", "malformed", book.mint(any_of("scopes"), end=expires + 1))


def add_exact_times(book):
    """The seconds next to each limit of step 6: for verifiers whose clock stands still."""
    now, leeway = book.now, book.leeway
    if book.key.id.expires_at > now + leeway:
        book.add("begins at now + leeway", "ok", book.mint(begin=now + leeway, end=now + leeway))
        book.add("begins a second later", "not_yet_valid", book.mint(begin=now + leeway + 1, end=now + leeway + 1))
    book.add("ended at now - leeway + 1", "ok", book.mint(end=now - leeway + 1, begin=now - leeway))
    book.add("ended at now - leeway", "expired", book.mint(end=now - leeway, begin=now - leeway))
    at_limits = [
        ("begins at now + leeway", "ok", window(begin=now + leeway)),
        ("begins a second later", "caveat_failed", window(begin=now + leeway + 1)),
        ("ended at now - leeway + 1", "ok", window(end=now - leeway + 1)),
        ("ended at now - leeway", "caveat_failed", window(end=now - leeway)),
    ]
    for name, want, c in at_limits:
        book.add(f"window {name}", want, book.mint(c))


def add_payloads(book):
    """Payloads under a tag that is right."""

    def signed(name, payload):
        book.add(f"payload {name}", "malformed", cat1.sign(book.key, payload))

    for n in (0, 1, 8, 15, 17, 32):
        token = cat1.mint(book.key, book.begin, book.end, book.random(n))
        book.add(f"token_id of {n} bytes", "malformed", token)
    book.add("token_id short, expired", "malformed", cat1.mint(book.key, 1, 2, b"short"))
    for bad in ("a/b", "a b", "a-b", "a\n", "é", "a" * 201, "\0", "type.googleapis.com/x.Y"):
        book.add(f"claims type {bad[:24]!r}", "malformed", book.mint(claims_type=bad))
    begin, end = cat1.number_field(1, book.begin), cat1.number_field(2, book.end)
    token_id = cat1.bytes_field(3, book.random())
    kind, claims = cat1.bytes_field(4, b"a.B"), cat1.bytes_field(5, b"x")
    fields = [begin, end, token_id, kind, claims]
    whole = b"".join(fields)
    for i in range(5):
        signed(f"field {i + 1} twice", b"".join(fields[: i + 1] + fields[i:]))
        if i:
            swapped = fields[: i - 1] + [fields[i], fields[i - 1]] + fields[i + 1 :]
            signed(f"fields {i} and {i + 1} swapped", b"".join(swapped))
    signed("empty", b"")
    signed("junk", b"\xde\xad\xbe\xef")
    signed("text", b'{"alg":"none"}')
    signed("cut", whole[:-1])
    signed("trailing zero", whole + b"\0")
    signed("unknown field 6", whole + cat1.number_field(6, 1))
    signed("unknown field 0", cat1.number_field(0, 1) + whole)
    signed("begin 0 written", cat1.number_field(1, 0) + end + token_id)
    signed("claims type empty, written", begin + end + token_id + b"\x22\0")
    signed("claims empty, written", begin + end + token_id + b"\x2a\0")
    signed("begin not minimal", b"\x08" + cat1.varint(book.begin, 1) + end + token_id)
    signed("end not minimal", begin + b"\x10" + cat1.varint(book.end, 1) + token_id)
    signed("end over u64", begin + b"\x10" + b"\xff" * 9 + b"\x02" + token_id)
    signed("end of 11 bytes", begin + b"\x10" + b"\x80" * 10 + b"\x01" + token_id)
    signed("tag not minimal", b"\x88\x00" + cat1.varint(book.begin) + end + token_id)
    signed("size not minimal", begin + end + b"\x1a\x90\x00" + token_id[2:])
    signed("begin as bytes", cat1.bytes_field(1, b"x") + end + token_id)
    signed("begin as fixed64", b"\x09" + book.begin.to_bytes(8, "little") + end + token_id)
    signed("token_id as a number", begin + end + cat1.number_field(3, 1))
    signed("claims type not UTF-8", begin + end + token_id + b"\x22\x01\xff" + claims)
    ticket = cat1.DISCHARGE_PAYLOAD.encode({"not_before": book.begin, "not_after": book.end, "ticket": book.random(20)})
    signed("of a discharge, 20 bytes", ticket)
