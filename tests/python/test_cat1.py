#!/usr/bin/env python3
"""Runs every vector of core/tests/data/cat1.json through cat1.py, and every case of client.py through its verifier.

    python3 tests/python/test_cat1.py [VECTORS]

Prints a count for each section; the exit code is 1 where anything differs.
"""

import collections
import json
import pathlib
import random
import sys

import cases
import cat1

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "core/tests/data/cat1.json"


def code_of(call, *args):
    """ "ok", or the code with which the call refuses."""
    try:
        call(*args)
    except cat1.Refused as refused:
        return refused.code
    return "ok"


def verifier_of(case):
    """The verifier that a vector describes (its "about")."""
    return cat1.Verifier(
        case["service"],
        {(case["epoch"], case["generation"]): bytes.fromhex(case["service_key"])},
        case["max_lifetime"],
        case["leeway"],
        {case.get("least_version_of", "user/alice"): case.get("least_version", 0)},
        {(kind, principal, bytes.fromhex(i)) for kind, principal, i in case.get("revoked", ())},
        case.get("restarted_at"),
    )


def derive(v):
    key = cat1.service_key(bytes.fromhex(v["root"]), v["service"], v["generation"])
    lease = bytes.fromhex(v["lease_id"])
    key_id = cat1.KeyId(1, v["service"], v["generation"], v["principal"], v["version"], v["expires_at"], lease)
    yield v["principal"], v["service_key"], key.hex()
    yield v["principal"], v["user_key"], cat1.user_key(key, key_id).hex()


def request_digest(v):
    got = cat1.request_digest(v["method"], v["authority"], v["path"], bytes.fromhex(v["body_sha256"]))
    yield v["path"], v["digest"], got.hex()


def keys(v):
    yield v["name"], v["want"], code_of(cat1.parse_key, v["text"])
    if v["want"] == "ok":
        yield v["name"] + ", written again", v["text"], cat1.key_text(cat1.parse_key(v["text"]))


def case(v):
    yield v["name"], v["want"], code_of(verifier_of(v).verify, v["text"], cat1.facts_of(v["request"]), v["now"])
    if v["want"] == "ok":
        token, discharges = cat1.parse_presentation(v["text"])
        again = ",".join([cat1.token_text(token), *map(cat1.discharge_text, discharges)])
        yield v["name"] + ", written again", v["text"].replace(" ", "").replace("\t", ""), again


def sequence(v):
    verifier, facts = verifier_of(v), cat1.facts_of(v["request"])
    for i, step in enumerate(v["steps"]):
        got = code_of(verifier.verify, step["text"], facts, step["now"])
        yield f"{v['name']}, step {i + 1}", step["want"], got


def client_cases():
    """The cases of client.py, answered by a verifier with a whole service key, for keys of several shapes. A second
    verifier, which began just before, has to answer in the same way."""
    now = 1790000000
    held = {(e, g): bytes([e, g] * 16) for e in (4, 5, 6) for g in (2, 3)}
    get, tomorrow = cat1.caveat("methods", any_of=["GET"]), now + 86400
    shapes = [
        (cat1.KeyId(5, "photos", 2, "user/alice", 0, tomorrow, b"lease..1"), ()),
        (cat1.KeyId(6, "a", 3, "service/photos", 7, now + 400, b"lease..2"), ()),
        (cat1.KeyId(4, "0.x-y_z", 2, "user/oidc/acme:42", 1, 2**64 - 1, b"\0" * 8), (get, get)),
        (cat1.KeyId(5, "s" * 63, 3, "user/" + "a" * 200, cat1.U32, tomorrow, b"\xff" * 8), ()),
    ]
    for i, (key_id, caveats) in enumerate(shapes):
        key = cat1.attenuate_key(cat1.issue(held[key_id.epoch, key_id.generation], key_id), *caveats)
        book = cases.Book(key, now, random.Random(i), 30, 3600, {"scope": "photos.read"}, (4, 5, 6), (2, 3))
        made = cases.all_cases(book, exact=True)
        for restarted_at in (None, now - 1):
            verifier = cat1.Verifier(key_id.service, held, 3600, restarted_at=restarted_at)
            for c in made:
                got = code_of(verifier.verify, c["text"], cat1.facts_of(c["facts"]), now)
                yield f"key {i}: {c['name']}", c["want"], got


SECTIONS = {
    "derive": derive,
    "request_digest": request_digest,
    "keys": keys,
    "accept": case,
    "reject": case,
    "sequences": sequence,
}


def main(path):
    vectors = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    unknown = set(vectors) - set(SECTIONS) - {"spec", "about"}
    bad = [f"{path}: unknown section {s}" for s in sorted(unknown)]
    for section, check in SECTIONS.items():
        of_section = vectors.get(section, [])
        checks = [(section, *c) for v in of_section for c in check(v)]
        bad += [f"{s}: {name}: want {want}, got {got}" for s, name, want, got in checks if want != got]
        print(f"{section:15} {len(of_section):4} vectors, {len(checks):4} checks")
    checks = [("client", *c) for c in client_cases()]
    bad += [f"{s}: {name}: want {want}, got {got}" for s, name, want, got in checks if want != got]
    print(f"{'client cases':15} {'':12}, {len(checks):5} checks")
    codes = collections.Counter(v["want"] for v in vectors.get("reject", []))
    print("reject, by code: " + ", ".join(f"{c} {n}" for c, n in sorted(codes.items())))
    print("\n".join(bad) if bad else "all as the vectors say")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or [VECTORS]))
