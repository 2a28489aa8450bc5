"""The cat1 protocol in plain Python: a second implementation, written from SPEC.md alone.

It shares no code with the Rust crates, so that a mistake has to be made twice to go unseen. It is for tests and for
people who want to read the protocol in one file: it is not constant time everywhere, and it does not wipe its memory.

The order is SPEC's: names (1), the key chain (2), messages (3), text forms (4), request binding (6), minting, caveats
(3 and 7), verifying (5). "SPEC n" below is a section of it.
"""

import base64
import hashlib
import hmac
import re
from typing import NamedTuple, Optional

MAX_TOKEN = 8192  # bytes, decoded (SPEC 5, step 1)
MAX_CAVEATS = 16
MAX_CAVEAT = 1024  # bytes
MAX_DISCHARGES = 4  # SPEC 4
LEEWAY = 30  # seconds, unless configured (SPEC 5)
U32, U64 = 2**32 - 1, 2**64 - 1


class Refused(Exception):
    """A presentation that is not accepted: `code` is SPEC 5's, `why` is for people who debug."""

    def __init__(self, code, why=""):
        super().__init__(f"{code}: {why}" if why else code)
        self.code, self.why = code, why


# --- SPEC 1: names -------------------------------------------------------------------------------------------------

SERVICE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SEGMENT = re.compile(r"[A-Za-z0-9._@+=:~-]+")


def is_service(name):
    """SPEC 1: a verifier's name."""
    return SERVICE.fullmatch(name) is not None


def is_principal(name):
    """SPEC 1: `service/` and a service, or `user/` and segments of which none is `.` or `..`."""
    kind, slash, rest = name.partition("/")
    if kind == "service" and slash:
        return is_service(rest)
    return (
        kind == "user"
        and slash == "/"
        and len(rest.encode()) <= 200
        and all(SEGMENT.fullmatch(s) and s not in (".", "..") for s in rest.split("/"))
    )


# --- SPEC 2: the key chain -----------------------------------------------------------------------------------------


def be32(n):
    return n.to_bytes(4, "big")


def be64(n):
    return n.to_bytes(8, "big")


def mac(key, label, message):
    """One arrow of the chain: HMAC-SHA-256 over the label, a zero byte, and the message."""
    return hmac.new(key, label + b"\0" + message, hashlib.sha256).digest()


def service_key(root, service, generation):
    """S of SPEC 2."""
    return mac(root, b"cat1.svc", be32(generation) + service.encode())


def user_key(service_key, key_id):
    """U of SPEC 2: rebuilt from names alone."""
    return mac(
        service_key,
        b"cat1.usr",
        be32(key_id.version) + be64(key_id.expires_at) + key_id.lease_id + key_id.principal.encode(),
    )


def attenuated(key_or_tag, caveat):
    """K_i from K_{i-1}, and T_j from T_{j-1}, of SPEC 2."""
    return mac(key_or_tag, b"cat1.att", caveat)


TOKEN, DISCHARGE = b"cat1.tok", b"cat1.dis"  # the labels of T_0


# --- SPEC 3: messages, and their one encoding ----------------------------------------------------------------------


class NotCanonical(ValueError):
    """Bytes that are not the one encoding of a message."""


def varint(n, pad=0):
    """A varint; `pad` makes it longer than it has to be, for tests of those who must refuse that."""
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    for _ in range(pad):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def read_varint(data, at, most):
    """The minimal varint at `at`, no greater than `most`, and where it ends."""
    value = 0
    for i in range(10):
        if at + i >= len(data):
            raise NotCanonical("cut inside a varint")
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if (byte == 0 and i > 0) or value > most:
                raise NotCanonical("a varint that is not minimal, or too great")
            return value, at + i + 1
    raise NotCanonical("a varint of more than 10 bytes")


def number_field(number, value):
    """A field of wire type 0."""
    return varint(number << 3) + varint(value)


def bytes_field(number, value):
    """A field of wire type 2."""
    return varint(number << 3 | 2) + varint(len(value)) + value


GREATEST = {"uint32": U32, "uint64": U64, "bool": 1}
DEFAULT = {"uint32": 0, "uint64": 0, "bool": False, "string": "", "bytes": b""}


class Field(NamedTuple):
    number: int
    name: str
    kind: object  # a key of DEFAULT, or a Message
    repeated: bool = False


class Message:
    """A message of SPEC 3: its values are a dict; a message field that is not set is None."""

    def __init__(self, *fields):
        self.fields = [Field(*f) for f in fields]
        self.by_number = {f.number: f for f in self.fields}

    def encode(self, values):
        """What ordinary protobuf encoders write (SPEC 3)."""
        unknown = set(values) - {f.name for f in self.fields}
        if unknown:
            raise TypeError(f"no such fields: {sorted(unknown)}")
        out = b""
        for f in self.fields:
            value = values.get(f.name)
            if f.repeated:
                out += b"".join(self._encode_one(f, v) for v in value or ())
            elif isinstance(f.kind, Message):
                out += b"" if value is None else self._encode_one(f, value)
            elif value:
                out += self._encode_one(f, value)
        return out

    @staticmethod
    def _encode_one(f, value):
        if f.kind in GREATEST:
            return number_field(f.number, int(value))
        if isinstance(f.kind, Message):
            return bytes_field(f.number, f.kind.encode(value))
        return bytes_field(f.number, value.encode() if f.kind == "string" else value)

    def decode(self, data):
        """The values, or NotCanonical: there is one encoding, and this refuses all others (SPEC 3)."""
        values = {f.name: [] if f.repeated else DEFAULT.get(f.kind) for f in self.fields}
        at, last = 0, 0
        while at < len(data):
            tag, at = read_varint(data, at, U32)
            f = self.by_number.get(tag >> 3)
            if f is None or tag & 7 != (0 if f.kind in GREATEST else 2):
                raise NotCanonical("an unknown field, or another wire type")
            if f.number < last or (f.number == last and not f.repeated):
                raise NotCanonical("fields out of order, or one twice")
            last = f.number
            value, at = self._decode_one(f, data, at)
            if f.repeated:
                values[f.name].append(value)
            elif not isinstance(f.kind, Message) and value == DEFAULT[f.kind]:
                raise NotCanonical("a default that is written")
            else:
                values[f.name] = value
        return values

    @staticmethod
    def _decode_one(f, data, at):
        if f.kind in GREATEST:
            value, at = read_varint(data, at, GREATEST[f.kind])
            return (bool(value) if f.kind == "bool" else value), at
        size, at = read_varint(data, at, U64)
        if size > len(data) - at:
            raise NotCanonical("cut")
        value = data[at : at + size]
        if isinstance(f.kind, Message):
            return f.kind.decode(value), at + size
        if f.kind == "string":
            try:
                return value.decode(), at + size
            except UnicodeDecodeError:
                raise NotCanonical("a string that is not UTF-8") from None
        return value, at + size


KEY_ID = Message(
    (1, "epoch", "uint32"),
    (2, "service", "string"),
    (3, "generation", "uint32"),
    (4, "principal", "string"),
    (5, "version", "uint32"),
    (6, "expires_at", "uint64"),
    (7, "lease_id", "bytes"),
)
USER_KEY = Message((1, "id", KEY_ID), (2, "caveats", "bytes", True), (3, "key", "bytes"))
SIGNED_TOKEN = Message(
    (1, "key", KEY_ID),
    (2, "key_caveats", "bytes", True),
    (3, "payload", "bytes"),
    (4, "caveats", "bytes", True),
    (5, "tag", "bytes"),
)
PAYLOAD = Message(
    (1, "not_before", "uint64"),
    (2, "not_after", "uint64"),
    (3, "token_id", "bytes"),
    (4, "claims_type", "string"),
    (5, "claims", "bytes"),
)
DISCHARGE_PAYLOAD = Message(
    (1, "not_before", "uint64"),
    (2, "not_after", "uint64"),
    (3, "ticket", "bytes"),
    (4, "bound_to", "bytes"),
)
ANY_OF = Message((1, "any_of", "string", True))
CAVEAT = Message(  # a oneof: at most one of them is there
    (1, "time_window", Message((1, "not_before", "uint64"), (2, "not_after", "uint64"))),
    (2, "scopes", ANY_OF),
    (3, "methods", ANY_OF),
    (4, "path_prefix", Message((1, "prefix", "string"))),
    (5, "source_addr", ANY_OF),
    (6, "client_cert", Message((1, "sha256", "bytes"))),
    (7, "request", Message((1, "digest", "bytes"), (2, "body", "bool"))),
    (8, "context", Message((1, "key", "string"), (2, "value", "string"))),
    (9, "third_party", Message((1, "principal", "string"), (2, "ticket", "bytes"))),
    (10, "single_use", Message((1, "id", "bytes"))),
    (11, "revocation_id", Message((1, "id", "bytes"))),
)


def caveat(kind, **fields):
    """A serialized Caveat: `caveat("methods", any_of=["GET"])`."""
    return CAVEAT.encode({kind: fields})


class KeyId(NamedTuple):
    """SPEC 3: all that is needed to rebuild a user key, and public."""

    epoch: int
    service: str
    generation: int
    principal: str
    version: int
    expires_at: int
    lease_id: bytes


class UserKey(NamedTuple):
    """SPEC 3: a secret, so it does not print itself."""

    id: KeyId
    caveats: tuple[bytes, ...]
    key: bytes

    def __repr__(self):
        return f"UserKey({self.id}, {len(self.caveats)} caveats)"


class SignedToken(NamedTuple):
    """SPEC 3: the outer pass of a token, or of a discharge."""

    key: KeyId
    key_caveats: tuple[bytes, ...]
    payload: bytes
    caveats: tuple[bytes, ...]
    tag: bytes


# --- SPEC 4 and step 1 of SPEC 5: text forms and form --------------------------------------------------------------

TOKEN_PREFIX, DISCHARGE_PREFIX, KEY_PREFIX = "cat1_", "catd1_", "catkey1_"


def to_text(prefix, data):
    """The prefix and base64url without padding (SPEC 4)."""
    return prefix + base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(prefix, text):
    """The bytes behind a prefix; anything that `to_text` would not have written is `malformed`."""
    body = text[len(prefix) :]
    if not text.startswith(prefix) or not re.fullmatch(r"[A-Za-z0-9_-]*", body) or len(body) % 4 == 1:
        raise Refused("malformed", "prefix or alphabet")
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    if to_text(prefix, data) != text:
        raise Refused("malformed", "unused trailing bits")
    if len(data) > MAX_TOKEN:
        raise Refused("malformed", "too long")
    return data


def _formed(message, text, prefix):
    """Decodes one text canonically: what step 1 of SPEC 5 says of both tokens and keys."""
    try:
        values = message.decode(from_text(prefix, text))
    except NotCanonical as why:
        raise Refused("malformed", str(why)) from None
    for caveats in (values[f.name] for f in message.fields if f.repeated):
        if len(caveats) > MAX_CAVEATS or any(len(c) > MAX_CAVEAT for c in caveats):
            raise Refused("malformed", "caveats too many or too long")
    return values


def _formed_id(values):
    if values is None:
        raise Refused("malformed", "no KeyId")
    key_id = KeyId(**values)
    if not (
        key_id.epoch >= 1
        and is_service(key_id.service)
        and is_principal(key_id.principal)
        and len(key_id.lease_id) == 8
    ):
        raise Refused("malformed", "names and numbers")
    return key_id


def parse_key(text):
    """A UserKey from its text: the form rules of SPEC 5 step 1, a key in place of the tag (SPEC 3)."""
    values = _formed(USER_KEY, text, KEY_PREFIX)
    key = UserKey(_formed_id(values["id"]), tuple(values["caveats"]), values["key"])
    if len(key.key) != 32:
        raise Refused("malformed", "a key has 32 bytes")
    return key


def parse_token(text, prefix=TOKEN_PREFIX):
    """A SignedToken from its text (SPEC 5 step 1)."""
    values = _formed(SIGNED_TOKEN, text, prefix)
    if len(values["tag"]) != 32:
        raise Refused("malformed", "a tag has 32 bytes")
    return SignedToken(
        _formed_id(values["key"]),
        tuple(values["key_caveats"]),
        values["payload"],
        tuple(values["caveats"]),
        values["tag"],
    )


def parse_presentation(text):
    """A token and up to 4 discharges, with spaces and tabs round the commas alone (SPEC 4)."""
    token, *discharges = re.split(r"[ \t]*,[ \t]*", text)
    if len(discharges) > MAX_DISCHARGES:
        raise Refused("malformed", "too many discharges")
    return parse_token(token), [parse_token(d, DISCHARGE_PREFIX) for d in discharges]


def key_bytes(key):
    return USER_KEY.encode({"id": key.id._asdict(), "caveats": key.caveats, "key": key.key})


def token_bytes(token):
    return SIGNED_TOKEN.encode(dict(token._asdict(), key=token.key._asdict()))


def key_text(key):
    return to_text(KEY_PREFIX, key_bytes(key))


def token_text(token):
    return to_text(TOKEN_PREFIX, token_bytes(token))


def discharge_text(discharge):
    return to_text(DISCHARGE_PREFIX, token_bytes(discharge))


# --- SPEC 6: request binding ---------------------------------------------------------------------------------------


def request_digest(method, authority, path_and_query, body_sha256=b""):
    """The digest that a `request` caveat carries; only ASCII letters of the authority are lowered."""
    lowered = authority.encode().lower()  # bytes.lower() knows ASCII alone
    parts = (method.encode(), lowered, path_and_query.encode(), body_sha256)
    return hashlib.sha256(b"cat1.req\0" + b"".join(be32(len(p)) + p for p in parts)).digest()


# --- Minting and narrowing (SPEC 2, 7) -----------------------------------------------------------------------------


def issue(service_key, key_id):
    """A user key, by whoever holds S: the authority, or the service itself as a signer."""
    return UserKey(key_id, (), user_key(service_key, key_id))


def sign(key, payload, caveats=(), label=TOKEN):
    """A SignedToken over payload bytes; `label` makes it a token or a discharge."""
    token = SignedToken(key.id, key.caveats, payload, (), mac(key.key, label, payload))
    for c in caveats:
        token = attenuate_token(token, c)
    return token


def mint(key, not_before, not_after, token_id, caveats=(), claims_type="", claims=b""):
    """A token. `token_id` is 16 random bytes."""
    payload = PAYLOAD.encode(
        {
            "not_before": not_before,
            "not_after": not_after,
            "token_id": token_id,
            "claims_type": claims_type,
            "claims": claims,
        }
    )
    return sign(key, payload, caveats)


def discharge(key, ticket, not_before, not_after, bound_to=b"", caveats=()):
    """A third party's word for a ticket (SPEC 7). `bound_to` is `binding(token)`, or empty."""
    payload = DISCHARGE_PAYLOAD.encode(
        {"not_before": not_before, "not_after": not_after, "ticket": ticket, "bound_to": bound_to}
    )
    return sign(key, payload, caveats, DISCHARGE)


def binding(key, token):
    """SHA-256 of the T_0 of a token that `key` signed (SPEC 7)."""
    return hashlib.sha256(mac(key.key, TOKEN, token.payload)).digest()


def attenuate_key(key, *caveats):
    """A narrower key, by whoever holds a key."""
    for c in caveats:
        key = UserKey(key.id, key.caveats + (c,), attenuated(key.key, c))
    return key


def attenuate_token(token, *caveats):
    """A narrower token, by whoever holds a token."""
    for c in caveats:
        token = token._replace(caveats=token.caveats + (c,), tag=attenuated(token.tag, c))
    return token


# --- SPEC 3.1: path prefixes ---------------------------------------------------------------------------------------

PATH = re.compile(r"/(?:[A-Za-z0-9/._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*")
AMBIGUOUS = frozenset(b"./\\;%?#") | frozenset(range(0x20)) | {0x7F}


def is_plain_path(path):
    """Whether all servers read this path in the same way, as SPEC 3.1 has it."""
    if not PATH.fullmatch(path) or any(s == "." or s.startswith("..") for s in path.split("/")):
        return False
    encoded = [int(h, 16) for h in re.findall(r"%([0-9A-Fa-f]{2})", path)]
    decoded = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), path.encode())
    try:
        decoded.decode()
    except UnicodeDecodeError:
        return False
    return AMBIGUOUS.isdisjoint(encoded)


def path_has_prefix(path, prefix):
    """SPEC 3.1; `path` is without its query."""
    p = prefix[:-1] if prefix.endswith("/") else prefix
    return prefix.startswith("/") and is_plain_path(path) and (path == p or path.startswith(p + "/"))


# --- SPEC 3.2: addresses and blocks --------------------------------------------------------------------------------

DECIMAL = re.compile(r"0|[1-9][0-9]{0,2}")
MAPPED = 0xFFFF  # the first 96 bits of an IPv4-mapped address


def parse_v4(text):
    """Four decimal numbers without leading zeros, as an integer; None for anything else."""
    parts = text.split(".")
    if len(parts) != 4 or not all(DECIMAL.fullmatch(p) and int(p) <= 255 for p in parts):
        return None
    return int.from_bytes(bytes(map(int, parts)), "big")


def parse_v6(text):
    """Any form of RFC 4291 section 2.2, without a zone, as an integer; None for anything else."""
    head, colon, tail = text.rpartition(":")
    if "." in tail:
        v4 = parse_v4(tail)
        if v4 is None:
            return None
        text = f"{head}{colon}{v4 >> 16:x}:{v4 & 0xFFFF:x}"
    halves = [h.split(":") if h else [] for h in text.split("::")]
    groups = [g for half in halves for g in half]
    zeros = 8 - len(groups)
    if len(halves) > 2 or (zeros < 1 if len(halves) == 2 else zeros != 0):
        return None
    if not all(re.fullmatch(r"[0-9A-Fa-f]{1,4}", g) for g in groups):
        return None
    if len(halves) == 2:
        groups = halves[0] + ["0"] * zeros + halves[1]
    return int("".join(g.zfill(4) for g in groups), 16)


def parse_block(text):
    """(bits, address, length) of an entry, or None where SPEC 3.2 calls it bad."""
    address, _, length = text.partition("/")
    bits, value = (128, parse_v6(address)) if ":" in address else (32, parse_v4(address))
    if value is None or not DECIMAL.fullmatch(length) or int(length) > bits:
        return None
    length = int(length)
    has_host_bits = value & ((1 << bits - length) - 1)
    is_mapped = bits == 128 and length >= 96 and value >> 32 == MAPPED
    return None if has_host_bits or is_mapped else (bits, value, length)


def address_in_blocks(address, blocks):
    """SPEC 3.2: one bad entry fails them all, and a mapped address is an IPv4 address."""
    parsed = [parse_block(b) for b in blocks]
    bits, value = (128, parse_v6(address)) if ":" in address else (32, parse_v4(address))
    if value is None or None in parsed:
        return False
    if bits == 128 and value >> 32 == MAPPED:
        bits, value = 32, value & 0xFFFFFFFF
    return any(b == bits and value >> (bits - n) == a >> (bits - n) for b, a, n in parsed)


# --- SPEC 3 and 5 step 7: what a caveat asks -----------------------------------------------------------------------


class Facts(NamedTuple):
    """What the verifier knows of the request (SPEC 5). None is: not known."""

    method: Optional[str] = None
    authority: Optional[str] = None
    path: Optional[str] = None  # with the query, byte for byte as sent
    source_addr: Optional[str] = None
    client_cert_sha256: Optional[bytes] = None
    scope: Optional[str] = None
    body_sha256: Optional[bytes] = None
    context: Optional[dict[str, str]] = None


def facts_of(plain):
    """Facts from JSON, where hashes are hexadecimal."""
    hashes = {k: bytes.fromhex(v) for k, v in plain.items() if k.endswith("_sha256") and v is not None}
    return Facts(**dict(plain, **hashes))


def fact_holds(kind, c, facts, now, leeway):
    """Whether a caveat holds that asks for facts or the time alone: all kinds but the last three."""
    path = None if facts.path is None else facts.path.partition("?")[0]
    if kind == "time_window":
        begin, end = c["not_before"], c["not_after"]
        if begin and end and end < begin:
            return False
        return begin <= now + leeway and (not end or end > now - leeway)
    if kind == "scopes":
        return facts.scope is not None and facts.scope in c["any_of"]
    if kind == "methods":
        return any(entry == (path if entry.startswith("/") else facts.method) for entry in c["any_of"])
    if kind == "path_prefix":
        return path is not None and path_has_prefix(path, c["prefix"])
    if kind == "source_addr":
        return facts.source_addr is not None and address_in_blocks(facts.source_addr, c["any_of"])
    if kind == "client_cert":
        return len(c["sha256"]) == 32 and facts.client_cert_sha256 == c["sha256"]
    if kind == "request":
        body = facts.body_sha256 if c["body"] else b""
        if None in (facts.method, facts.authority, facts.path, body):
            return False
        return request_digest(facts.method, facts.authority, facts.path, body) == c["digest"]
    if kind == "context":
        return bool(c["key"]) and facts.context is not None and facts.context.get(c["key"]) == c["value"]
    raise AssertionError(kind)


def kind_of(caveat):
    """(kind, fields) of a serialized Caveat; (None, {}) where it is not canonical or has not one known kind."""
    try:
        kinds = [(k, v) for k, v in CAVEAT.decode(caveat).items() if v is not None]
    except NotCanonical:
        kinds = []
    return kinds[0] if len(kinds) == 1 else (None, {})


# --- SPEC 5: verifying ---------------------------------------------------------------------------------------------

CLAIMS_TYPE = re.compile(r"[A-Za-z0-9_.]{0,200}")


class Accepted(NamedTuple):
    token: SignedToken
    payload: dict


class Verifier:
    """One verifier, with its keys, its revocations and its memory of single-use tokens.

    `keys` maps (epoch, generation) to S. `revoked` holds (set, principal, id), the set being "lease", "token" or "key"
    (a revocation_id). `least_version` maps principals to numbers. Times are Unix seconds.
    """

    def __init__(self, service, keys, max_lifetime, leeway=LEEWAY, least_version=(), revoked=(), restarted_at=None):
        self.service, self.keys = service, dict(keys)
        self.max_lifetime, self.leeway = max_lifetime, leeway
        self.least_version, self.revoked = dict(least_version), set(revoked)
        self.restarted_at, self.used = restarted_at, {}

    def verify(self, text, facts, now):
        """Steps 1 to 8. Accepted, or Refused with the code of the first step that fails."""
        token, discharges = parse_presentation(text)
        t_0, payload = self._trust(token, TOKEN, now)
        useful = [d for d in (self._discharge(d, facts, now) for d in discharges) if d]
        bound_to = hashlib.sha256(t_0).digest()
        tickets = {(principal, p["ticket"]) for principal, p in useful if p["bound_to"] in (b"", bound_to)}
        self._caveats(token, facts, now, tickets)
        self._once(token, t_0, payload, now)
        return Accepted(token, payload)

    def _trust(self, token, label, now):
        """Steps 2 to 6: (T_0, payload)."""
        key_id = token.key
        if key_id.service != self.service:
            raise Refused("wrong_service")
        self._held(key_id)
        key = self.signing_key(token)
        tags = [mac(key, label, token.payload)]
        for c in token.caveats:
            tags.append(attenuated(tags[-1], c))
        if not hmac.compare_digest(tags[-1], token.tag):
            raise Refused("bad_tag")
        if not key_id.expires_at > now - self.leeway:
            raise Refused("key_expired")
        if (
            key_id.version < self.least_version.get(key_id.principal, 0)
            or ("lease", key_id.principal, key_id.lease_id) in self.revoked
        ):
            raise Refused("revoked")
        return tags[0], self._payload(token, label, now)

    def _held(self, key_id):
        """Step 3."""
        epochs = {e for e, _ in self.keys}
        if key_id.epoch not in epochs:
            raise Refused("unknown_epoch" if key_id.epoch > max(epochs) else "retired_epoch")
        generations = {g for e, g in self.keys if e == key_id.epoch}
        if key_id.generation not in generations:
            raise Refused("unknown_epoch" if key_id.generation > max(generations) else "revoked")

    def signing_key(self, token):
        """K_m: U, rebuilt from names, and the key's caveats chained to it (step 4)."""
        key = user_key(self.keys[token.key.epoch, token.key.generation], token.key)
        for c in token.key_caveats:
            key = attenuated(key, c)
        return key

    def _payload(self, token, label, now):
        """Step 6, for tokens and discharges."""
        try:
            payload = (PAYLOAD if label == TOKEN else DISCHARGE_PAYLOAD).decode(token.payload)
        except NotCanonical as why:
            raise Refused("malformed", str(why)) from None
        begin, end = payload["not_before"], payload["not_after"]
        if not begin <= end <= token.key.expires_at:
            raise Refused("malformed", "times in order")
        if label == TOKEN and (len(payload["token_id"]) != 16 or not CLAIMS_TYPE.fullmatch(payload["claims_type"])):
            raise Refused("malformed", "token_id or claims_type")
        if not begin <= now + self.leeway:
            raise Refused("not_yet_valid")
        if not end > now - self.leeway:
            raise Refused("expired")
        if end - begin > self.max_lifetime:
            raise Refused("lifetime_too_long")
        if label == TOKEN and ("token", token.key.principal, payload["token_id"]) in self.revoked:
            raise Refused("revoked")
        return payload

    def _caveats(self, token, facts, now, tickets):
        """Step 7; `tickets` are (principal, ticket) of the useful discharges, None inside a discharge."""
        for i, serialized in enumerate(token.key_caveats + token.caveats):
            kind, c = kind_of(serialized)
            if kind == "revocation_id":
                holds = len(c["id"]) == 16
                if ("key", token.key.principal, c["id"]) in self.revoked:
                    raise Refused("revoked", f"caveat {i}")
            elif kind == "single_use":
                holds = tickets is not None and len(c["id"]) == 16
            elif kind == "third_party":
                holds = (
                    tickets is not None and 16 <= len(c["ticket"]) <= 64 and (c["principal"], c["ticket"]) in tickets
                )
            else:
                holds = kind is not None and fact_holds(kind, c, facts, now, self.leeway)
            if not holds:
                raise Refused("caveat_failed", f"caveat {i}: {kind}")

    def _discharge(self, token, facts, now):
        """(principal, payload) of a discharge that is of use (SPEC 7), otherwise None."""
        try:
            _, payload = self._trust(token, DISCHARGE, now)
            self._caveats(token, facts, now, None)
        except Refused:
            return None
        return None if token.key_caveats else (token.key.principal, payload)

    def _once(self, token, t_0, payload, now):
        """Step 8. What is remembered: T_0, or the T right after the token's first single_use."""
        seen, in_key = None, any(kind_of(c)[0] == "single_use" for c in token.key_caveats)
        tag = t_0
        for c in token.caveats:
            tag = attenuated(tag, c)
            if seen is None and kind_of(c)[0] == "single_use":
                seen = tag
        if in_key:
            seen = t_0
        if seen is None:
            return
        if self.restarted_at is not None and payload["not_before"] <= self.restarted_at + self.leeway:
            raise Refused("replayed", "as old as the memory")
        self.used = {t: until for t, until in self.used.items() if until > now}
        if seen in self.used:
            raise Refused("replayed")
        self.used[seen] = payload["not_after"] + self.leeway
