"""Another service, epoch or generation, and tags that are wrong: SPEC 5, steps 2 to 4."""

import hashlib

import cat1
from cases.pieces import any_of, claiming, flipped, others, prefix


def add_steps_2_and_3(book):
    """Another service, and epochs and generations that the verifier cannot hold, or that it does not by the options."""
    own = book.key.id
    names = {"other", "0", "a" * 63, own.service + "x", own.service[:-1], "x." + own.service, own.service + "-"}
    for name in sorted(n for n in names if n != own.service and cat1.is_service(n)):
        book.add(f"service {name[:24]!r}", "wrong_service", claiming(book.mint(), service=name))
    other = claiming(book.mint(), service="other" if own.service != "other" else "another")
    book.add("other service, forged", "wrong_service", other._replace(tag=b"\0" * 32))
    book.add("other service, unknown epoch", "wrong_service", claiming(other, epoch=cat1.U32))
    book.add("other service, junk for a payload", "wrong_service", other._replace(payload=b"junk"))
    for epoch, want in epochs(own.epoch, book.epochs):
        book.add(f"epoch {epoch}", want, claiming(book.mint(), epoch=epoch))
        book.add(f"epoch {epoch}, forged", want, claiming(book.mint(), epoch=epoch)._replace(tag=b"\0" * 32))
        any_generation = claiming(book.mint(), epoch=epoch, generation=cat1.U32)
        book.add(f"epoch {epoch}, greatest generation", "unknown_epoch" if want == "bad_tag" else want, any_generation)
    newest = max(book.generations)
    for generation in others(newest, cat1.U32, newest + 1, newest + 2, newest + 1000, cat1.U32):
        book.add(f"generation {generation}", "unknown_epoch", claiming(book.mint(), generation=generation))
    for generation in range(max(0, newest - 3), newest):
        want = "bad_tag" if generation in book.generations else "revoked"
        if generation != own.generation:
            book.add(f"generation {generation}", want, claiming(book.mint(), generation=generation))


def epochs(own, held):
    """(epoch, code) of claimed epochs. Where `held` is empty, only those that SPEC and the overlap of three live epochs
    leave no doubt about: own - 1 may be draining and own + 2 prepared, so that either one may be held."""
    if not held:
        yield from ((e, "unknown_epoch") for e in others(own, cat1.U32, own + 1000, own + 2**20, cat1.U32))
        yield from ((e, "retired_epoch") for e in others(own, own - 2, 1, own - 2) if e >= 1)
        return
    for epoch in sorted({1, *range(max(1, own - 3), max(held) + 4), cat1.U32} - {own}):
        missing = "unknown_epoch" if epoch > max(held) else "retired_epoch"
        yield epoch, "bad_tag" if epoch in held else missing


def add_bad_tags(book):
    """Step 4: anything that was not what the key signed."""
    own, get, albums = book.key.id, any_of("methods", "GET"), prefix("/albums")

    def bad(name, token):
        book.add(f"bad tag: {name}", "bad_tag", token)

    for i in range(32):
        token = book.mint()
        bad(f"tag, byte {i} flipped", token._replace(tag=flipped(token.tag, i, 1 << i % 8)))
    token = book.mint(get, albums, claims_type="a.B", claims=b"x")
    bad("tag of zeros", token._replace(tag=bytes(32)))
    bad("tag reversed", token._replace(tag=token.tag[::-1]))
    bad("tag of another token", token._replace(tag=book.mint(get, albums).tag))
    for i in range(8):
        bad(f"lease, byte {i} flipped", claiming(token, lease_id=flipped(own.lease_id, i)))
    for n in others(own.version, cat1.U32, 0, own.version + 1, own.version - 1, cat1.U32):
        bad(f"version {n}", claiming(token, version=n))
    expires = own.expires_at
    for n in others(expires, cat1.U64, 0, book.now - 9999, expires - 1, expires + 1, expires + 86400, cat1.U64):
        bad(f"expires_at {n}", claiming(token, expires_at=n))
    names = ["user/root", "user/mallory", own.principal + "x", own.principal[:-1], f"service/{own.service}"]
    names += ["user/" + own.principal.partition("/")[2].swapcase(), "user/" + "a" * 200, "service/" + "a" * 63]
    for name in sorted({n for n in names if n != own.principal and cat1.is_principal(n)}):
        bad(f"principal {name[:32]!r}", claiming(token, principal=name))
    for i in range(0, len(token.payload), 3):
        bad(f"payload, byte {i} flipped", token._replace(payload=flipped(token.payload, i)))
    bad("payload of another token", token._replace(payload=book.mint().payload))
    bad("payload empty", token._replace(payload=b""))
    bad("payload and a byte", token._replace(payload=token.payload + b"\0"))
    bad("payload is junk", token._replace(payload=b"junk"))
    bad("expired and forged", book.mint(begin=1, end=2)._replace(tag=token.tag))
    add_bad_chains(book, bad, token, get, albums)


def add_bad_chains(book, bad, token, get, albums):
    """Caveats that were moved, changed or left out, and chains of another shape than SPEC 2's."""
    key = cat1.attenuate_key(book.key, get, albums)
    for where, t, name in (("caveats", token, "caveat"), ("key_caveats", book.mint(key=key), "key caveat")):
        own = getattr(t, where)
        one, two = own[-2:]
        rest = own[:-2]
        changes = {
            "all removed": rest,
            "first removed": rest + (two,),
            "last removed": rest + (one,),
            "swapped": rest + (two, one),
            "doubled": rest + (one, two, two),
            "added": rest + (one, two, get),
            "replaced": rest + (one, prefix("/")),
            "joined": rest + (one + two,),
            "cut": rest + (one, two[:-1]),
            "emptied": rest + (one, b""),
            "empty one added": rest + (one, two, b""),
        }
        for how, caveats in changes.items():
            bad(f"{name}s {how}", t._replace(**{where: caveats}))
        for i in range(len(two)):
            bad(f"{name}, byte {i} flipped", t._replace(**{where: rest + (one, flipped(two, i))}))
    narrowed = book.mint(get, key=cat1.attenuate_key(book.key, albums))
    into_token = dict(key_caveats=book.key.caveats, caveats=(albums, get))
    bad("key caveat moved to the token", narrowed._replace(**into_token))
    bad("caveat moved to the key", narrowed._replace(key_caveats=narrowed.key_caveats + (get,), caveats=()))
    t_0 = cat1.mac(book.key.key, cat1.TOKEN, token.payload)
    bad("T_0 for the tag", token._replace(tag=t_0))
    bad("tag of a narrower token", book.mint(get)._replace(payload=token.payload, tag=token.tag))
    bad("caveat chained without a label", token._replace(caveats=(get,), tag=cat1.mac(t_0, b"", get)[:32]))
    payload = token.payload
    for label in (b"cat1.dis", b"cat1.att", b"cat1.usr", b"cat1.svc", b"cat1.sig", b"cat2.tok", b"cat1.tok\0", b""):
        bad(f"signed under {label.decode()!r}", cat1.sign(book.key, payload, label=label))
    raw = cat1.SignedToken(book.key.id, book.key.caveats, payload, (), b"")
    digest = hashlib.sha256(book.key.key + b"cat1.tok\0" + payload).digest()
    bad("signed with a hash, not a MAC", raw._replace(tag=digest))
    hashed = hashlib.sha256(book.key.key).digest()
    for name, key_bytes in (("zeros", bytes(32)), ("nothing", b""), ("the key's hash", hashed)):
        bad(f"signed with {name}", raw._replace(tag=cat1.mac(key_bytes, cat1.TOKEN, payload)))
    self_issued = cat1.issue(book.key.key, book.key.id)
    bad("signed with a key under its own key", cat1.mint(self_issued, book.begin, book.end, book.random()))
