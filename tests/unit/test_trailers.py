"""Trailers count at the end of a message, in whole paragraphs, and nowhere else."""

from hypothesis import given
from hypothesis import strategies as st

from bot.trailers import parse_trailers

BUMP = "site: 3f2c1ab to staging\n\nMerged by Ann.\n\nSlipway-Id: site@1/staging\nApp: site\n"


def test_the_last_paragraph_is_read_in_order() -> None:
    assert parse_trailers(BUMP) == (("Slipway-Id", "site@1/staging"), ("App", "site"))


def test_a_value_may_hold_colons_and_a_key_may_repeat() -> None:
    message = "x\n\nImage: host:5000/a:1@sha256:00\nApproved-by: @ann\nApproved-by: @bob\n"

    assert parse_trailers(message) == (
        ("Image", "host:5000/a:1@sha256:00"),
        ("Approved-by", "@ann"),
        ("Approved-by", "@bob"),
    )


def test_several_trailing_paragraphs_count() -> None:
    assert parse_trailers("x\n\nApp: a\n\nEnvironment: staging\n") == (("App", "a"), ("Environment", "staging"))


def test_github_s_separator_and_co_authors_hide_nothing() -> None:
    message = BUMP + "\n---------\n\nCo-authored-by: Ann <ann@example.org>\n"

    assert parse_trailers(message) == (
        ("Slipway-Id", "site@1/staging"),
        ("App", "site"),
        ("Co-authored-by", "Ann <ann@example.org>"),
    )


def test_lines_that_a_browser_ended_with_crlf_are_read() -> None:
    assert parse_trailers(BUMP.replace("\n", "\r\n")) == parse_trailers(BUMP)


def test_a_folded_value_is_one_value() -> None:
    assert parse_trailers("x\n\nReason: the pods\n  never came up\nApp: a") == (
        ("Reason", "the pods never came up"),
        ("App", "a"),
    )


def test_trailers_before_free_text_do_not_count() -> None:
    assert parse_trailers("x\n\nSlipway-Id: forged\n\nThis is what the old bot wrote.\n") == ()


def test_trailers_inside_a_paragraph_of_free_text_do_not_count() -> None:
    assert parse_trailers("x\n\nHe wrote:\nSlipway-Id: forged\nand left.\n") == ()


def test_a_squash_of_several_commits_does_not_yield_the_first_ones() -> None:
    message = "Two (#4)\n\n* one\n\nApp: a\n\n* two\n\nApp: b\n"

    assert parse_trailers(message) == (("App", "b"),)


def test_the_subject_is_no_trailer() -> None:
    assert parse_trailers("fix: everything") == ()
    assert parse_trailers("fix: everything\nApp: a\n") == ()


def test_a_key_needs_a_value_and_no_blanks() -> None:
    assert parse_trailers("x\n\nApp:\n") == ()
    assert parse_trailers("x\n\nTwo words: 1\n") == ()
    assert parse_trailers("x\n\nhttps://example.org\n") == ()


def test_the_empty_message_has_none() -> None:
    assert parse_trailers("") == ()


@given(st.text(), st.text(alphabet=st.characters(exclude_categories=("C", "Z")), min_size=1))
def test_what_is_appended_as_the_last_paragraph_is_found_whatever_precedes(body: str, value: str) -> None:
    assert parse_trailers(f"subject\n\n{body}\n\nSlipway-Id: {value}\n")[-1] == ("Slipway-Id", value)
