"""Presentations that a foreign client may send, each with the answer that SPEC 5 gives it.

The client holds one user key and nothing else: no service key, no state of the verifier. Every case states by hand what
the verifier must answer; only the answers to the mutants are computed. "SPEC n" is a section of SPEC.md.
"""

import collections

from cases.book import Book
from cases.caveats import add_caveats
from cases.discharges import add_discharges
from cases.form import add_key_id_form, add_outer_form, add_text_form
from cases.mutants import add_mutants
from cases.payloads import add_exact_times, add_payloads, add_plain, add_times
from cases.single_use import add_single_use
from cases.tags import add_bad_tags, add_steps_2_and_3

__all__ = ["Book", "all_cases", "counts"]


def all_cases(book, exact=False, mutants=100):
    """Every case, in an order in which they can be sent."""
    add_plain(book)
    add_caveats(book)
    add_times(book)
    if exact:
        add_exact_times(book)
    add_payloads(book)
    add_steps_2_and_3(book)
    add_bad_tags(book)
    add_outer_form(book)
    add_key_id_form(book)
    add_text_form(book)
    add_discharges(book)
    add_single_use(book)
    add_mutants(book, mutants)
    return list(book.cases.values())


def counts(cases):
    """How many cases there are of each answer."""
    return collections.Counter(c["want"] for c in cases)
