"""Caveats with the facts that they meet: SPEC 3, 3.1, 3.2, 5 step 7, and 6."""

import hashlib

import cat1
from cases.pieces import any_of, bound, once, prefix, window
from cat1 import caveat

CERT, BODY = "11" * 32, hashlib.sha256(b"hello").hexdigest()


def holding(book):
    """(name, caveat, facts of its own): each holds."""
    now, facts = book.now, book.facts
    yield "time_window", window(now - 100, now + 1000), {}
    yield "time_window from", window(begin=now - 1), {}
    yield "time_window until", window(end=now + 1000), {}
    yield "time_window open", window(), {}
    yield "time_window in leeway", window(begin=now + book.leeway // 2), {}
    yield "methods", any_of("methods", "GET"), {}
    yield "methods, the last of many", any_of("methods", "POST", "PUT", "GET"), {}
    yield "methods, by path", any_of("methods", "/albums/7"), {}
    yield "methods, POST", any_of("methods", "POST"), {"method": "POST"}
    yield "path_prefix", prefix("/albums"), {}
    yield "path_prefix whole", prefix("/albums/7"), {}
    yield "path_prefix slash", prefix("/albums/"), {}
    yield "path_prefix root", prefix("/"), {}
    yield "source_addr one", any_of("source_addr", "192.0.2.7/32"), {}
    yield "source_addr block", any_of("source_addr", "192.0.2.0/24"), {}
    yield "source_addr all", any_of("source_addr", "0.0.0.0/0"), {}
    yield "source_addr beside v6", any_of("source_addr", "2001:db8::/32", "192.0.2.4/30"), {}
    yield "request", bound(facts), {}
    yield "request, other facts", bound(facts, method="DELETE", path="/x?%20"), {"method": "DELETE", "path": "/x?%20"}
    yield "request, any body", bound(facts), {"body_sha256": BODY}
    yield "request with body", bound(facts, True, body_sha256=BODY), {"body_sha256": BODY}
    yield "request, upper-case authority", bound(facts), {"authority": facts["authority"].upper()}
    wide = {"authority": "B\u00dcCHER.example"}  # ASCII letters alone are lowered (SPEC 6)
    lowered = hashlib.sha256(b"cat1.req\0")
    for part in (facts["method"], "b\u00dccher.example", facts["path"], ""):
        lowered.update(cat1.be32(len(part.encode())) + part.encode())
    yield "request, authority not ASCII", caveat("request", digest=lowered.digest()), wide
    yield "revocation_id", caveat("revocation_id", id=book.random()), {}
    yield "scopes", any_of("scopes", "photos.write", "photos.read"), {"scope": "photos.read"}
    yield "client_cert", caveat("client_cert", sha256=bytes.fromhex(CERT)), {"client_cert_sha256": CERT}
    yield "context", caveat("context", key="tenant", value="acme"), {"context": {"tenant": "acme", "x": "y"}}
    yield "context, empty value", caveat("context", key="tenant"), {"context": {"tenant": ""}}
    yield "1024 bytes", any_of("methods", "GET", "x" * (1024 - 3 - 5 - 3)), {}


def failing(book):
    """(name, caveat, facts of its own): each is canonical, and fails."""
    now, facts, leeway = book.now, book.facts, book.leeway
    far = leeway + 3600
    yield "time_window past", window(1, now - leeway - 1), {}
    yield "time_window past, open", window(end=now - leeway - 1), {}
    yield "time_window future", window(now + far, now + far + 100), {}
    yield "time_window future, open", window(begin=now + far), {}
    yield "time_window end of time", window(begin=cat1.U64), {}
    yield "time_window ends before it begins", window(now + 1, now), {}
    for kind in ("scopes", "methods", "source_addr"):
        yield f"{kind} empty", any_of(kind), {}
        yield f"{kind} of one empty entry", any_of(kind, ""), {}
    yield "scopes other", any_of("scopes", "photos.admin"), {}
    yield "scopes, fact stated", any_of("scopes", "photos.write", "photos"), {"scope": "photos.read"}
    yield "scopes, fact missing", any_of("scopes", "photos.read"), {"scope": None}
    yield "methods other", any_of("methods", "POST", "PUT"), {}
    yield "methods case", any_of("methods", "get"), {}
    yield "methods space", any_of("methods", "GET "), {}
    yield "methods star", any_of("methods", "*"), {}
    yield "methods, other path", any_of("methods", "/albums"), {}
    yield "methods, path and slash", any_of("methods", "/albums/7/"), {}
    yield "methods, path with query", any_of("methods", "/albums/7?size=l"), {}
    yield "methods, fact missing", any_of("methods", "GET"), {"method": None}
    yield "methods by path, fact missing", any_of("methods", "/albums/7"), {"path": None}
    yield "path_prefix longer", prefix("/albums/7/x"), {}
    yield "path_prefix part of a segment", prefix("/alb"), {}
    yield "path_prefix case", prefix("/Albums"), {}
    yield "path_prefix relative", prefix("albums"), {}
    yield "path_prefix empty", prefix(""), {}
    yield "path_prefix two slashes", prefix("//"), {}
    yield "path_prefix encoded", prefix("/%61lbums"), {}
    yield "path_prefix with query", prefix("/albums/7?size=l"), {}
    yield "path_prefix dots", prefix("/albums/../albums"), {}
    yield "path_prefix, fact missing", prefix("/"), {"path": None}
    yield "source_addr, fact missing", any_of("source_addr", "0.0.0.0/0"), {"source_addr": None}
    yield "source_addr v6 for a v4 fact", any_of("source_addr", "::/0"), {}
    yield "client_cert, fact missing", caveat("client_cert", sha256=bytes.fromhex(CERT)), {"client_cert_sha256": None}
    yield "client_cert other", caveat("client_cert", sha256=b"\x22" * 32), {"client_cert_sha256": CERT}
    for n in (0, 31, 33):
        yield f"client_cert of {n} bytes", caveat("client_cert", sha256=b"\x11" * n), {"client_cert_sha256": CERT}
        digest = (cat1.request_digest(facts["method"], facts["authority"], facts["path"]) + b"\0")[:n]
        yield f"request of {n} bytes", caveat("request", digest=digest), {}
    yield "request, other method", bound(facts, method="POST"), {}
    yield "request, method in lower case", bound(facts, method="get"), {}
    yield "request, other authority", bound(facts, authority="photos.example:443"), {}
    yield "request, without the query", bound(facts, path="/albums/7"), {}
    yield "request, other query", bound(facts, path="/albums/7?size=L"), {}
    yield "request, path encoded otherwise", bound(facts, path="/%61lbums/7?size=l"), {}
    yield "request, of another", bound(facts), {"path": "/albums/8?size=l"}
    yield "request, body asked and unknown", bound(facts, True, body_sha256=BODY), {"body_sha256": None}
    yield "request, other body", bound(facts, True, body_sha256=CERT), {"body_sha256": BODY}
    plain = cat1.request_digest(facts["method"], facts["authority"], facts["path"])
    yield "request, body asked, digest without", caveat("request", digest=plain, body=True), {"body_sha256": BODY}
    with_body = cat1.request_digest(facts["method"], facts["authority"], facts["path"], bytes.fromhex(BODY))
    yield "request, digest with a body, not asked", caveat("request", digest=with_body), {"body_sha256": BODY}
    yield "request, method missing", bound(facts), {"method": None}
    yield "request, authority missing", bound(facts), {"authority": None}
    yield "context, fact missing", caveat("context", key="tenant", value="acme"), {"context": None}
    yield "context, other key", caveat("context", key="tenant", value="acme"), {"context": {"Tenant": "acme"}}
    yield "context, other value", caveat("context", key="tenant", value="acme"), {"context": {"tenant": "acme2"}}
    yield "context, key empty", caveat("context", value="acme"), {"context": {"": "acme"}}
    yield "context, empty value, key absent", caveat("context", key="tenant"), {"context": {"x": "y"}}
    for n in (0, 15, 17, 32):
        yield f"revocation_id of {n} bytes", caveat("revocation_id", id=book.random(n)), {}
        yield f"single_use of {n} bytes", once(book.random(n)), {}
    yield "third_party absent", caveat("third_party", principal="user/notary", ticket=book.random()), {}
    yield "third_party empty", caveat("third_party"), {}


def not_canonical(book):
    """(name, bytes): each looks like a caveat that would hold, but is not its one encoding, or has no known kind."""
    get, albums = any_of("methods", "GET"), prefix("/albums")
    digest = cat1.request_digest(book.facts["method"], book.facts["authority"], book.facts["path"])
    inner = cat1.bytes_field(1, b"/albums")
    yield "empty", b""
    yield "unknown kind 12", cat1.bytes_field(12, b"")
    yield "unknown kind 15, with fields", cat1.bytes_field(15, inner)
    yield "unknown kind 100", cat1.bytes_field(100, inner)
    yield "known kind, then unknown", get + cat1.bytes_field(12, b"")
    yield "field 0", cat1.bytes_field(0, inner)
    yield "two kinds", get + albums
    yield "two kinds, out of order", albums + get
    yield "kind twice", albums + albums
    yield "trailing zero", get + b"\0"
    yield "cut", get[:-1]
    yield "tag alone", get[:1]
    yield "kind as a number", cat1.number_field(4, 7)
    yield "kind as a group", b"\x23\x24"
    yield "kind as fixed32", b"\x25\0\0\0\0"
    yield "tag not minimal", b"\xa2\x00" + albums[1:]
    yield "size not minimal", b"\x22\x89\x00" + inner
    yield "inner size not minimal", cat1.bytes_field(4, b"\x0a\x87\x00/albums")
    yield "inner tag not minimal", cat1.bytes_field(4, b"\x8a\x00\x07/albums")
    yield "inner unknown field", cat1.bytes_field(4, inner + cat1.number_field(2, 1))
    yield "inner field twice", cat1.bytes_field(4, inner + inner)
    yield "inner default written", cat1.bytes_field(4, b"\x0a\x00")
    yield "inner wire type", cat1.bytes_field(4, cat1.number_field(1, 1))
    yield "inner trailing", cat1.bytes_field(4, inner + b"\0")
    yield "window: 0 written", cat1.bytes_field(1, cat1.number_field(1, 0))
    yield "window: not minimal", cat1.bytes_field(1, b"\x08\x81\x00")
    yield "window: order", cat1.bytes_field(1, cat1.number_field(2, cat1.U64) + cat1.number_field(1, 1))
    yield "window: 11 bytes", cat1.bytes_field(1, b"\x08" + b"\x80" * 10 + b"\x01")
    yield "window: over u64", cat1.bytes_field(1, b"\x10" + b"\xff" * 9 + b"\x02")
    yield "request: body 0 written", cat1.bytes_field(7, cat1.bytes_field(1, digest) + b"\x10\0")
    yield "request: body 2", cat1.bytes_field(7, cat1.bytes_field(1, digest) + b"\x10\2")
    yield "request: order", cat1.bytes_field(7, b"\x10\1" + cat1.bytes_field(1, digest))
    yield "any_of: bad UTF-8 beside a good one", cat1.bytes_field(3, cat1.bytes_field(1, b"GET") + b"\x0a\x01\xff")
    yield "any_of: surrogate", cat1.bytes_field(3, cat1.bytes_field(1, b"GET") + b"\x0a\x03\xed\xa0\x80")
    yield "any_of: overlong UTF-8", cat1.bytes_field(3, cat1.bytes_field(1, b"GET") + b"\x0a\x02\xc1\x87")
    yield "text of a caveat", b"method = GET"


# SPEC 3.1, under the prefix /albums.
GOOD_PATHS = """/albums /albums/ /albums/7/x?y=../z /albums//x /albums/%C3%A9 /albums/a%20b /albums/a:b@c
/albums/.hidden /albums/x. /albums?q /albums/7?<>|#% /albums/~!$&'()*+,=-_ /albums/%41 /albums/%c2%80""".split()
BAD_PATHS = (
    """/albumsx / //albums * albums http://x/albums /Albums /albums/../admin /albums/.. /albums/./x /albums/.
/albums/%2E%2e/admin /albums/%2e /albums/a%2fb /albums/a%2Fb /albums/a%5Cb /albums/a%5cb /albums/a\\b /albums/a;b
/albums/..;/admin /albums/%3b /albums/%3B /albums/..%3f /albums/x%3fy /albums/x%23y /albums/..%20 /albums/..x
/albums/... /albums/%252e /albums/%c0%ae%c0%ae /albums/%ff /albums/%ed%a0%80 /albums/%c3/%a9 /albums/%f4%90%80%80
/albums/%00 /albums/%1f /albums/%0A /albums/%7f /albums/%2 /albums/% /albums/%zz /albums/%+1 /albums/é /albums/<x>
/albums/a|b /albums/#x /albums/a"b /albums/[x] /albums/{x} /albums/^ /albums/`""".split()
    + ["/albums/a b", "/albums/7 ?x", ""]
)
# SPEC 3.2.
GOOD_SOURCES = [
    ("192.0.2.0/24", "::ffff:192.0.2.9"),
    ("192.0.2.0/24", "::FFFF:c000:209"),
    ("192.0.2.7/32", "0:0:0:0:0:ffff:192.0.2.7"),
    ("2001:db8::/32", "2001:db8::1"),
    ("2001:DB8::/32", "2001:0db8:0:0:0:0:0:1"),
    ("2001:db8:0:0:0:0:0:0/32", "2001:db8:ffff::1"),
    ("::/0", "2001:db8::1"),
    ("::1/128", "::1"),
    ("64:ff9b::192.0.2.0/120", "64:ff9b::c000:207"),
    ("1:2:3:4:5:6:7::/112", "1:2:3:4:5:6:7:8"),
    ("::fffe:0:0/96", "::fffe:1.2.3.4"),
]
BAD_BLOCKS = (
    """192.0.2.8/32 192.0.2.8/29 10.0.0.0/8 192.0.2.7 192.0.2.7/ 192.0.2.7/33 192.0.2.7/032 192.0.2.7/+32
192.0.2.7/-1 192.0.2.7/3x 192.0.2.7/32/32 192.0.2.7/255.255.255.255 192.0.2.7/24 192.0.2.7/31 0192.0.2.7/32
192.00.2.7/32 192.0.2/24 192.0.2.7.0/32 192.0.2.256/32 0xc0.0.2.7/32 3221225991/32 /0 /32 0.0.0.0/00 0.0.0.0/
::ffff:192.0.2.7/128 ::ffff:192.0.2.0/120 ::ffff:0:0/96 ::/0 ::192.0.2.7/128 * localhost/32 192.0.2.7%eth0/32
192.0.2.7:80/32 [::ffff:192.0.2.7]/128 192.0.2.*/24""".split()
    + [" 192.0.2.7/32", "192.0.2.7/32 ", "192.0.2.7/３２"]
)
# Beside a good block, one of these fails it all; alone, it is bad too.
BAD_BESIDE_GOOD = (
    """::ffff:192.0.2.0/120 ::ffff:0:0/96 2001:db8::1/32 2001:db8::/129 2001:db8::/032 2001:db8:/32
:2001:db8::/32 2001::db8::/32 1:2:3:4:5:6:7:8::/128 1:2:3:4:5:6:7/112 1:2:3:4:5:6:7:8:9/128 12345::/16 ::g/128
fe80::%eth0/64 fe80::/64%1 ::1.2.3.04/128 ::1.2.3/128 1.2.3.4::/128 ::1.2.3.4:5/128 10.0.0.1/8 10.0.0.0 [::1]/128
2001:db8::/32/32 x""".split()
    + [""]
)
BAD_SOURCES = [
    ("192.0.2.0/24", s)
    for s in "192.0.3.1 2001:db8::1 ::192.0.2.7 192.0.2.07 192.0.2.7:80 192.0.2.7/32 unknown ::ffff:192.0.3.7".split()
] + [
    ("2001:db8::/32", "2001:db9::1"),
    ("2001:db8::/32", "2001:db8::1%eth0"),
    ("2001:db8::/32", "[2001:db8::1]"),
    ("::/0", "::ffff:192.0.2.7"),
    ("0.0.0.0/0", "::1"),
]


def add_caveats(book):
    """Steps 7 of SPEC 5: each kind on a token and in a narrowed key."""

    def both(name, want, c, facts):
        book.add(f"caveat {name}", want, book.mint(c), facts)
        book.add(f"key caveat {name}", want, book.mint(key=cat1.attenuate_key(book.key, c)), facts)

    for name, c, facts in holding(book):
        both(name, "ok", c, facts)
    for name, c, facts in failing(book):
        both(name, "caveat_failed", c, facts)
    for name, c in not_canonical(book):
        both(f"not canonical, {name}", "caveat_failed", c, {})
    for want, paths in (("ok", GOOD_PATHS), ("caveat_failed", BAD_PATHS)):
        for path in paths:
            book.add(f"path {path!r}", want, book.mint(prefix("/albums")), {"path": path})
    book.add("path '//x' under '/'", "ok", book.mint(prefix("/")), {"path": "//x"})
    for block in BAD_BLOCKS:
        book.add(f"block {block!r}", "caveat_failed", book.mint(any_of("source_addr", block)))
    for block in BAD_BESIDE_GOOD:
        c = any_of("source_addr", "192.0.2.0/24", block)
        book.add(f"block {block!r} beside a good one", "caveat_failed", book.mint(c))
    for want, sources in (("ok", GOOD_SOURCES), ("caveat_failed", BAD_SOURCES)):
        for block, source in sources:
            token = book.mint(any_of("source_addr", block))
            book.add(f"from {source!r}, asked for {block!r}", want, token, {"source_addr": source})
    good, bad = any_of("methods", "GET"), any_of("methods", "POST")
    for i in range(3):
        some = [bad if i == j else good for j in range(3)]
        book.add(f"caveat {i + 1} of 3 fails", "caveat_failed", book.mint(*some))
    room = cat1.MAX_CAVEATS - len(book.key.caveats)
    full = cat1.attenuate_key(book.key, *[good] * room)
    book.add("16 caveats", "ok", book.mint(*[good] * 16))
    book.add("16 key caveats", "ok", book.mint(key=full))
    book.add("16 of each", "ok", book.mint(*[good] * 16, key=full))
    book.add("key narrowed, token narrowed", "ok", book.mint(good, key=cat1.attenuate_key(book.key, prefix("/albums"))))
    book.add("narrowed by a holder", "ok", cat1.attenuate_token(book.mint(good), prefix("/"), good))
    book.add("narrowed by a holder, fails", "caveat_failed", cat1.attenuate_token(book.mint(good), bad))
