import pytest

from bot.codeowners import CodeOwners, parse_codeowners


def owners(text: str, path: str) -> tuple[str, ...]:
    return parse_codeowners(text).of(path)


@pytest.mark.parametrize(
    ("pattern", "path", "owned"),
    [
        ("*", "production/shop.yaml", True),
        ("*.yaml", "production/shop.yaml", True),
        ("*.yaml", "production/shop.yml", False),
        ("/production/", "production/shop.yaml", True),
        ("/production/", "old/production/shop.yaml", False),
        ("/production", "production/deep/shop.yaml", True),
        ("production/", "old/production/shop.yaml", True),
        ("production/", "production", False),
        ("production/*", "production/shop.yaml", True),
        ("production/*", "production/shop/deployment.yaml", False),
        ("production/**", "production/shop/deployment.yaml", True),
        ("**/shop.yaml", "a/b/shop.yaml", True),
        ("**/shop.yaml", "shop.yaml", True),
        ("/a/**/b.yaml", "a/b.yaml", True),
        ("/a/**/b.yaml", "a/x/y/b.yaml", True),
        ("production/sh?p.yaml", "production/shop.yaml", True),
        ("production/sh?p.yaml", "production/sh/p.yaml", False),
        ("production/shop.yaml", "production/shopXyaml", False),
        ("/Production/", "production/shop.yaml", False),
        ("production/[s]hop.yaml", "production/shop.yaml", False),
        ("production/my\\ shop.yaml", "production/my shop.yaml", True),
    ],
)
def test_patterns_match_as_github_documents(pattern: str, path: str, *, owned: bool) -> None:
    assert bool(owners(f"{pattern} @ada", path)) is owned


def test_the_last_line_that_matches_decides() -> None:
    text = "* @ada\n/production/ @acme/web-team @bob\n*.md @eve\n"
    assert owners(text, "production/shop.yaml") == ("acme/web-team", "bob")
    assert owners(text, "staging/shop.yaml") == ("ada",)


def test_a_line_without_owners_takes_files_back() -> None:
    assert owners("/production/ @ada\n/production/shop.yaml\n", "production/shop.yaml") == ()
    assert owners("/production/ @ada\n/production/shop.yaml # nobody's\n", "production/shop.yaml") == ()


def test_comments_and_blank_lines_are_no_lines() -> None:
    assert parse_codeowners("# all\n\n   \n\t# more\n") == CodeOwners()


def test_what_github_cannot_use_is_skipped_and_said_by_line() -> None:
    text = "* @ada\n!/production/ @bob\n\\#x @bob\n/production/ bob\n"
    parsed = parse_codeowners(text)
    assert parsed.of("production/shop.yaml") == ("ada",)
    assert [remark.partition(":")[0] for remark in parsed.remarks] == ["line 2", "line 3", "line 4"]
    assert parsed.remarks[2] == ("line 4: `bob` is no owner; write @login or @organization/team; the line is skipped")


def test_an_e_mail_address_is_passed_over_with_a_word_and_the_others_of_its_line_own() -> None:
    parsed = parse_codeowners("* @ada\n/production/ bob@acme.example @eve\n")
    assert parsed.of("production/shop.yaml") == ("eve",)
    assert parsed.remarks == ("line 2: bob@acme.example is an e-mail address, which only GitHub can match",)


def test_a_line_of_e_mail_addresses_alone_decides_nothing() -> None:
    assert owners("* @ada\n/production/ bob@acme.example\n", "production/shop.yaml") == ("ada",)
