"""Writing cases down, and minting for them."""

import cat1

FACTS = {
    "method": "GET",
    "authority": "photos.example",
    "path": "/albums/7?size=l",
    "source_addr": "192.0.2.7",
    "client_cert_sha256": None,
    "scope": None,
    "body_sha256": None,
    "context": None,
}
ALWAYS_KNOWN = ("method", "authority", "path", "source_addr")
# SPEC 5's codes at the forward-auth face: who are you (401), a caveat said no (403), I cannot tell (503).
STATUS = {"ok": 200, "caveat_failed": 403, "replay_full": 503}
AFTER_STEP_6 = ("ok", "caveat_failed", "replayed")  # the answers that the key's own caveats may change


class Holder(cat1.Verifier):
    """Verifies as the service would, knowing one of its user keys: any other key counts as not this one."""

    def __init__(self, key, max_lifetime, leeway):
        super().__init__(key.id.service, {(key.id.epoch, key.id.generation): b""}, max_lifetime, leeway)
        self.key = key

    def signing_key(self, token):
        own = len(self.key.caveats)
        if token.key != self.key.id or token.key_caveats[:own] != self.key.caveats:
            return b"another key"
        return cat1.attenuate_key(self.key, *token.key_caveats[own:]).key


class Book:
    """Writes cases down, and mints with the key at hand."""

    def __init__(self, key, now, rng, leeway, max_lifetime, known=(), epochs=(), generations=()):
        self.key, self.now, self.rng, self.leeway, self.max_lifetime = key, now, rng, leeway, max_lifetime
        self.begin = now - min(60, max_lifetime // 4)
        self.end = min(now + min(300, max_lifetime // 2), key.id.expires_at)
        self.facts = dict(FACTS, **dict(known))
        self.epochs = set(epochs)
        self.generations = set(generations) | {key.id.generation}
        self.holder = Holder(key, max_lifetime, leeway)
        self.cases = {}

    def random(self, n=16):
        return bytes(self.rng.getrandbits(8) for _ in range(n))

    def mint(self, *caveats, key=None, begin=None, end=None, **claims):
        """A token of the usual times and a fresh id."""
        begin = self.begin if begin is None else begin
        end = self.end if end is None else end
        return cat1.mint(key or self.key, begin, end, self.random(), caveats, **claims)

    def add(self, name, want, what, facts=None, after=None):
        """One case. `what` is a token or a text; `after` names a case that has to be sent before this one."""
        if name in self.cases or (after and after not in self.cases):
            raise ValueError(f"case {name!r} is there already, or {after!r} is not")
        text = what if isinstance(what, str) else cat1.token_text(what)
        facts = dict(self.facts, **(facts or {}))
        if want in AFTER_STEP_6 and not self.key_caveats_hold(facts):
            want = "caveat_failed"
        case = {
            "name": name,
            "want": want,
            "text": text,
            "status": STATUS.get(want, 401) if self.fits_http(text, facts) else None,
            "facts": facts,
            "after": after,
            "principal": None,
        }
        if want == "ok":
            case.update(self.said(text))
        self.cases[name] = case

    def key_caveats_hold(self, facts):
        """Whether what a grant chained into the key lets these facts pass."""
        bare = cat1.SignedToken(self.key.id, self.key.caveats, b"", (), b"")
        try:
            self.holder._caveats(bare, cat1.facts_of(facts), self.now, set())
        except cat1.Refused:
            return False
        return True

    def fits_http(self, text, facts):
        """Whether a forward-auth request carries this text, and these facts and no more."""
        printable = text.isascii() and all(c.isprintable() or c == "\t" for c in text)
        own = [k for k in facts if k not in ALWAYS_KNOWN and facts[k] != self.facts[k]]
        address = facts["source_addr"] or ""
        is_address = (cat1.parse_v6 if ":" in address else cat1.parse_v4)(address) is not None
        known = is_address and all(facts[k] for k in ALWAYS_KNOWN) and facts["authority"].isascii()
        return bool(text) and printable and text == text.strip() and known and not own

    def said(self, text):
        """What an accepted token says, as an agent would tell the service behind it."""
        token, _ = cat1.parse_presentation(text)
        payload = cat1.PAYLOAD.decode(token.payload)
        return {
            "principal": token.key.principal,
            "epoch": token.key.epoch,
            "lease_id": token.key.lease_id.hex(),
            "token_id": payload["token_id"].hex(),
            "claims_type": payload["claims_type"],
            "claims": payload["claims"].hex(),
        }
