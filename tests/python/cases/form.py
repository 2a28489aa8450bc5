"""Form: SPEC 3 (canonical encoding), 4, and 5 step 1."""

import cat1
from cases.pieces import any_of, prefix


def outer(token):
    """The fields of a SignedToken, encoded one by one: key, key caveats, payload, caveats, tag."""
    return (
        [cat1.bytes_field(1, cat1.KEY_ID.encode(token.key._asdict()))]
        + [cat1.bytes_field(2, c) for c in token.key_caveats]
        + [cat1.bytes_field(3, token.payload)]
        + [cat1.bytes_field(4, c) for c in token.caveats]
        + [cat1.bytes_field(5, token.tag)]
    )


def split_field(field):
    """(tag, size, content) of an encoded bytes field with a tag of one byte."""
    size, at = cat1.read_varint(field, 1, cat1.U64)
    return field[:1], size, field[at:]


def add_outer_form(book):
    """Encodings of a SignedToken that no protobuf encoder writes. All tags are right."""
    get, albums = any_of("methods", "GET"), prefix("/albums")
    narrow = cat1.attenuate_key(book.key, get, albums)
    fields = outer(book.mint(get, albums, key=narrow))
    whole = b"".join(fields)

    def bad(name, data):
        data = b"".join(data) if isinstance(data, list) else data
        book.add(f"form: {name}", "malformed", cat1.to_text(cat1.TOKEN_PREFIX, data))

    last = len(fields) - 1
    payload = 1 + len(narrow.caveats)
    singles = {0: "key", payload: "payload", last: "tag"}
    for i, field in enumerate(fields):
        name = singles.get(i, f"field {i}")
        tag, size, content = split_field(field)
        before, behind = fields[:i], fields[i + 1 :]
        bad(f"{name}: tag not minimal", before + [bytes([tag[0] | 0x80, 0]), field[1:]] + behind)
        bad(f"{name}: size not minimal", before + [tag, cat1.varint(size, 1), content] + behind)
        ten = cat1.varint(size, 10 - len(cat1.varint(size)))
        bad(f"{name}: size of 10 bytes", before + [tag, ten, content] + behind)
        for wire in (0, 1, 3, 4, 5, 6, 7):
            bad(f"{name}: wire type {wire}", before + [bytes([tag[0] & 0xF8 | wire]), field[1:]] + behind)
        if i in singles:
            bad(f"{name} twice", before + [field, field] + behind)
        if i in (0, last):
            bad(f"{name} missing", before + behind)
        if i and fields[i - 1][0] != field[0]:
            bad(f"{name} before the one it follows", fields[: i - 1] + [field, fields[i - 1]] + behind)
    bad("payload empty, written", outer(cat1.sign(book.key, b"")))  # outer() writes it, unlike an encoder
    bad("tag first", [fields[last]] + fields[:last])
    bad("caveats apart", fields[: last - 1] + [fields[last], fields[last - 1]])
    bad("reversed", fields[::-1])
    for number in (6, 7, 15, 16, 1000, 2**29 - 1):
        bad(f"unknown field {number}", fields + [cat1.bytes_field(number, b"x")])
        bad(f"unknown number {number}", fields + [cat1.number_field(number, 1)])
    bad("field 0", [cat1.bytes_field(0, b"")] + fields)
    bad("number of field 0", [cat1.number_field(0, 0)] + fields)
    bad("empty group behind", fields + [b"\x33\x34"])
    bad("fixed32 behind", fields + [b"\x35\0\0\0\0"])
    bad("fixed64 behind", fields + [b"\x31" + bytes(8)])
    bad("tag number over 2^32", [b"\x8a\x80\x80\x80\x10", fields[0][1:]] + fields[1:])
    bad("tag number of 11 bytes", [b"\x8a" + b"\x80" * 9 + b"\x01", fields[0][1:]] + fields[1:])
    for n in (1, 2, 31, 32, 33, 34, len(whole) // 2, len(whole) - 1):
        bad(f"last {n} bytes cut", whole[:-n])
    for behind in (b"\0", b"\x0a", b"\x2a\0", b"\xff", b"\0" * 16):
        bad(f"behind it {behind.hex()}", whole + behind)
    bad("before it 00", b"\0" + whole)
    bad("twice over", whole + whole)
    bad("inside a message", cat1.bytes_field(1, whole))
    bad("hexadecimal", whole.hex().encode())
    bad("nothing in it", b"")
    bad("a zero", b"\0")
    for size in (33, 127, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1):
        bad(f"tag of {size} bytes, said", fields[:last] + [b"\x2a", cat1.varint(size), fields[last][2:]])
    bad("tag of 2^64 bytes, said", fields[:last] + [b"\x2a" + b"\x80" * 9 + b"\x02", fields[last][2:]])
    tag = fields[last][2:]
    for short in (tag[:31], tag[:16], tag[:1], tag + b"\0", tag + tag):
        bad(f"tag of {len(short)} bytes", fields[:last] + [cat1.bytes_field(5, short)])
    bad("tag empty, written", fields[:last] + [b"\x2a\0"])
    bad("17 caveats", cat1.token_bytes(book.mint(*[get] * 17)))
    room = 17 - len(book.key.caveats)
    bad("17 key caveats", cat1.token_bytes(book.mint(key=cat1.attenuate_key(book.key, *[get] * room))))
    long = any_of("methods", "GET", "x" * (1025 - 3 - 5 - 3))
    bad(f"caveat of {len(long)} bytes", cat1.token_bytes(book.mint(long)))
    bad(f"key caveat of {len(long)} bytes", cat1.token_bytes(book.mint(key=cat1.attenuate_key(book.key, long))))


BAD_SERVICES = ["Photos", ".a", "-a", "_a", "a/b", "a b", "a\n", "é", "a" * 64, "a\0", "a:b", "a@b", "*", " a"]
BAD_PRINCIPALS = [
    *"alice user user/ /alice user//a user/a/ user/a//b user/. user/.. user/a/../b user/./a USER/alice User/a".split(),
    *"group/admins service/ service/Photos service/.a service/a/b service user/a%2fb user/a;b user/a,b user/a*".split(),
    *["user/é", "user/\ufeffa", "user/a\0", "user/a\x7f", "user/ a", "user/a ", "user/a\n", "user/a\\b", "user/x y"],
    *["user/" + "a" * 201, "user/" + "a/" * 100 + "b", " user/a", "service/" + "a" * 64, "user/a\tb", "user/<a>"],
]
BAD_UTF8 = {
    "ff": b"\xff",
    "lone continuation": b"\x80",
    "cut sequence": b"\xc3",
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
}


def add_key_id_form(book):
    """Encodings, sizes, names and numbers of a KeyId."""
    own, token = book.key.id, book.mint()
    rest = b"".join(outer(token)[1:])

    def bad(name, parts):
        raw = cat1.bytes_field(1, b"".join(parts)) + rest
        book.add(f"key id: {name}", "malformed", cat1.to_text(cat1.TOKEN_PREFIX, raw))

    def fields(**changes):
        values = dict(own._asdict(), **changes)
        return [cat1.KEY_ID.encode({f.name: values[f.name]}) for f in cat1.KEY_ID.fields]

    parts = fields()
    for i, f in enumerate(cat1.KEY_ID.fields):
        name, value, tag = f.name, getattr(own, f.name), f.number << 3
        before, behind = parts[:i], parts[i + 1 :]
        written = parts[i] or cat1.number_field(f.number, 0)
        bad(f"{name} twice", before + [written, written] + behind)
        bad(f"{name} tag not minimal", before + [bytes([written[0] | 0x80, 0]), written[1:]] + behind)
        bad(f"{name} as fixed32", before + [bytes([tag | 5]) + bytes(4)] + behind)
        if f.kind in cat1.GREATEST:
            over = cat1.GREATEST[f.kind] + 1
            bad(f"{name} not minimal", before + [bytes([tag]) + cat1.varint(value, 1)] + behind)
            bad(f"{name} over its type", before + [bytes([tag]) + cat1.varint(over + value)] + behind)
            bad(f"{name} of 11 bytes", before + [bytes([tag]) + b"\x80" * 10 + b"\x01"] + behind)
            bad(f"{name} as bytes", before + [cat1.bytes_field(f.number, b"\x01")] + behind)
            bad(f"{name} 0, written", before + [cat1.number_field(f.number, 0)] + behind)
        else:
            data = value.encode() if f.kind == "string" else value
            bad(f"{name} size not minimal", before + [bytes([tag | 2]), cat1.varint(len(data), 1), data] + behind)
            bad(f"{name} as a number", before + [cat1.number_field(f.number, 1)] + behind)
            bad(f"{name} missing", before + behind)
            bad(f"{name} empty, written", before + [cat1.bytes_field(f.number, b"")] + behind)
    present = [p for p in parts if p]
    for i in range(1, len(present)):
        bad(f"fields {i} and {i + 1} swapped", present[: i - 1] + [present[i], present[i - 1]] + present[i + 1 :])
    bad("epoch missing", parts[1:])
    bad("unknown field 8", parts + [cat1.number_field(8, 1)])
    bad("unknown field 0", [cat1.number_field(0, 1)] + parts)
    bad("trailing zero", parts + [b"\0"])
    bad("cut", [b"".join(parts)[:-1]])
    bad("empty", [])
    for n in (1, 7, 9, 16, 32):
        bad(f"lease of {n} bytes", fields(lease_id=(own.lease_id * 4)[:n]))
    for name in BAD_SERVICES:
        bad(f"service {name[:24]!r}", fields(service=name))
    for name in BAD_PRINCIPALS:
        bad(f"principal {name[:24]!r} of {len(name)}", fields(principal=name))
    for name, data in BAD_UTF8.items():
        bad(f"service UTF-8 {name}", parts[:1] + [cat1.bytes_field(2, b"a" + data)] + parts[2:])
        bad(f"principal UTF-8 {name}", parts[:3] + [cat1.bytes_field(4, b"user/a" + data)] + parts[4:])


def add_text_form(book):
    """SPEC 4: what is a text, and what is a presentation."""
    text = cat1.token_text(book.mint())
    body = text[len("cat1_") :]

    def bad(name, presentation):
        book.add(f"text: {name}", "malformed", presentation)

    for name in "cat2_ cat1 cat1- cat1_cat1_ CAT1_ Cat1_ catkey1_ catd1_ cat_ cat01_".split() + ["", "cat1_ "]:
        bad(f"prefix {name!r}", name + body)
    for n in (2, 3):
        bad(f"{n} of padding", text + "=" * n)
    for c in "+/ .%~:=\té":
        bad(f"{c!r} inside", text[:40] + c + text[41:])
        bad(f"{c!r} behind", text + c)
    for name, c in (("newline", "\n"), ("carriage return", "\r\n"), ("zero", "\0")):
        bad(f"{name} behind", text + c)
        bad(f"{name} inside", text[:40] + c + text[40:])
    bad("space before", " " + text)
    bad("tab before", "\t" + text)
    bad("quoted", f'"{text}"')
    bad("in angle brackets", f"<{text}>")
    bad("a letter more", text + "A")
    bad("two letters more", text + "AA")
    bad("three letters more", text + "AAA")
    bad("a letter less", text[:-1])
    bad("one letter", "cat1_A")
    bad("prefix alone", "cat1_")
    bad("nothing", "")
    bad("a word", "token")
    bad("a JWT", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.")
    bad("lower case", text.lower())
    standard = cat1.token_text(book.mint(claims=b"\xfb\xff\xfe" * 3))[5:].replace("-", "+").replace("_", "/")
    bad("standard alphabet", "cat1_" + standard)
    add_trailing_bits(book, bad)
    bad("comma behind", text + ",")
    bad("comma before", "," + text)
    bad("commas", ",,,")
    bad("two tokens", f"{text},{text}")
    bad("two tokens and a space", f"{text} {text}")
    bad("token and junk", f"{text},junk")
    bad("token and an empty discharge", f"{text},catd1_")
    bad("token behind a discharge's prefix", f"{text},catd1_{body[:-2]}")
    bad("discharge in front", f"catd1_{body},{text}")


def add_trailing_bits(book, bad):
    """Unused bits of the last letter that are not zero, for both lengths of the rest."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for extra, spare in ((1, 4), (2, 2)):  # bytes behind a multiple of three, and unused bits
        token = book.mint()
        n = 0
        while len(cat1.token_bytes(token)) % 3 != extra:
            n += 1
            token = book.mint(claims=b"x" * n)
        text = cat1.token_text(token)
        book.add(f"text: no trailing bits, rest of {extra}", "ok", text)
        for bits in (1, 1 << spare - 1, (1 << spare) - 1):
            bad(f"trailing bits {bits}, rest of {extra}", text[:-1] + letters[letters.index(text[-1]) | bits])
