"""Discharges by the holder as the third party: SPEC 7."""

import hashlib

import cat1
from cases.pieces import any_of, claiming, once
from cat1 import caveat


def add_discharges(book):
    """Third-party caveats that name the holder's own principal. Only a key without caveats speaks as a third party."""
    key, begin, end = book.key, book.begin, book.end
    who = key.id.principal
    ticket = book.random()
    asks = caveat("third_party", principal=who, ticket=ticket)

    def given(*discharges, token=None, by=","):
        return by.join([cat1.token_text(token or book.mint(asks)), *map(cat1.discharge_text, discharges)])

    def good(**how):
        values = dict(ticket=ticket, not_before=begin, not_after=end)
        values.update(how)
        return cat1.discharge(values.pop("key", key), **values)

    holds = "caveat_failed" if key.caveats else "ok"
    get, post = any_of("methods", "GET"), any_of("methods", "POST")
    token, other = book.mint(asks), book.mint(asks)
    other_ticket = book.random()
    book.add("discharged", holds, given(good()))
    book.add("discharged, spaces", holds, given(good(), by=" , "))
    book.add("discharged, tabs", holds, given(good(), by="\t,\t "))
    book.add("discharged, bound", holds, given(good(bound_to=cat1.binding(key, token)), token=token))
    book.add("discharged, caveat holds", holds, given(good(caveats=[get])))
    useless = good(ticket=other_ticket), good(not_before=1, not_after=2)
    book.add("discharged, useless ones beside it", holds, given(*useless, good()))
    book.add("discharged, four", holds, given(good(), good(), good(), good()))
    long = book.random(64)
    asks_long = caveat("third_party", principal=who, ticket=long)
    book.add("discharged, ticket of 64", holds, given(good(ticket=long), token=book.mint(asks_long)))
    narrow = cat1.attenuate_key(key, asks)
    book.add("discharged, asked by the key", holds, given(good(), token=book.mint(key=narrow)))
    book.add("not asked for, useless", "ok", given(good(), token=book.mint()))
    book.add("not asked for, forged", "ok", given(good()._replace(tag=bytes(32)), token=book.mint()))

    def fails(name, *discharges, token=None):
        book.add(f"discharge: {name}", "caveat_failed", given(*discharges, token=token))

    fails("none")
    fails("other ticket", good(ticket=other_ticket))
    fails("bound to another", good(bound_to=cat1.binding(key, other)), token=token)
    fails("bound to the tag", good(bound_to=hashlib.sha256(token.tag).digest()), token=token)
    fails("bound, short", good(bound_to=cat1.binding(key, token)[:31]), token=token)
    fails("expired", good(not_before=1, not_after=2))
    fails("too long", good(not_before=end - book.max_lifetime - 1))
    fails("outlives its key", good(not_after=min(key.id.expires_at + 1, cat1.U64)))
    fails("ends before it begins", good(not_before=book.now, not_after=book.now - 1))
    fails("by a narrowed key", good(key=cat1.attenuate_key(key, get)))
    fails("its caveat fails", good(caveats=[post]))
    fails("single use in it", good(caveats=[once(book.random())]))
    fails("asks for one itself", good(caveats=[asks]))
    fails("signed as a token", cat1.sign(key, good().payload))
    fails("payload of a token", cat1.sign(key, book.mint().payload, label=cat1.DISCHARGE))
    fails("payload and unknown field", cat1.sign(key, good().payload + b"\x28\1", label=cat1.DISCHARGE))
    fails("forged", good()._replace(tag=bytes(32)))
    fails("by another, claimed", claiming(good(), principal="user/mallory"))
    fails("other service", claiming(good(), service="other" if key.id.service != "other" else "another"))
    fails("unknown epoch", claiming(good(), epoch=cat1.U32))
    for n in (15, 65):
        odd = book.random(n)
        asks_odd = caveat("third_party", principal=who, ticket=odd)
        fails(f"ticket of {n}", good(ticket=odd), token=book.mint(asks_odd))
    asks_other = caveat("third_party", principal="user/notary.of." + key.id.service, ticket=ticket)
    fails("asked of another", good(), token=book.mint(asks_other))

    def bad(name, want, presentation):
        book.add(f"discharge: {name}", want, presentation)

    fine = cat1.discharge_text(good())
    bad("five", "malformed", given(*[good()] * 5))
    bad("a token's prefix", "malformed", given() + "," + fine.replace("catd1_", "cat1_"))
    bad("a letter less", "malformed", given(good()) + "," + fine[:-1])
    short = good()._replace(tag=bytes(31))
    bad("short tag", "malformed", given(short))
    bad("short tag, not asked for", "malformed", given(short, token=book.mint()))
    bad("short tag, forged token", "malformed", given(short, token=token._replace(tag=bytes(32))))
    for by in (";", " ", "\n,", ",\r\n", "\v,", ",\u00a0", ",,"):
        bad(f"behind {by!r}", "malformed", given(good(), by=by))
    bad("alone", "malformed", fine)
    bad("as a token", "bad_tag", fine.replace("catd1_", "cat1_"))
