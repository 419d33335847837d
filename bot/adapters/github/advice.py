"""What to do about a refusal of GitHub's, told apart by its words: GitHub gives no codes for these (pure).

Sources: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api,
https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api (SAML single sign-on), and for merges
https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request.
"""

import re

_NO_SQUASH = re.compile(r"(?i)squash merg\w+ (?:is|are) not allowed")

_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?i)\bSAML\b|single sign-?on|\bSSO\b"),
        (
            "The organisation {owner} lets in only credentials that its single sign-on knows. The owner of the bot's "
            "token authorises it for {owner}: on GitHub, Settings, Developer settings, Personal access tokens, "
            "Configure SSO."
        ),
    ),
    (
        re.compile(r"(?i)suspended"),
        (
            "An owner of {owner} lifts the suspension in its Settings, GitHub Apps, Configure, Unsuspend; where it "
            "is the bot's own account that is suspended, GitHub's support does."
        ),
    ),
    (
        re.compile(r"(?i)IP allow list|IP address"),
        "An owner of {owner} puts the bot's address on the organisation's IP allow list.",
    ),
    (
        _NO_SQUASH,
        (
            "Slipway merges promotions by squash: an administrator of {repo} allows squash merging in its Settings, "
            "General, Pull Requests."
        ),
    ),
    (
        re.compile(r"(?i)archived"),
        "An administrator of {repo} unarchives it, or the catalog names another repository.",
    ),
    (
        re.compile(r"(?i)\bdraft\b"),
        "Press Ready for review on its page.",
    ),
    (
        re.compile(
            r"(?i)protected branch|required status|status checks?\b.*\b(?:expected|required)|approving review"
            r"|rule violation|repository rule|review is required|must be made through|not authorized to (?:push|merge)"
        ),
        (
            "Slipway has its own rule of who approves: an administrator of {repo} lets the bot's account or App "
            "bypass this rule of the branch. `python -m bot doctor` names the rule."
        ),
    ),
)


def advice(words: str, repo: str) -> str | None:
    """What somebody does about it; None where GitHub's words have to do.

    Args:
        words: what GitHub said.
        repo: the repository (or organisation) that was asked about.
    """
    owner = repo.partition("/")[0]
    for pattern, text in _ADVICE:
        if pattern.search(words):
            return text.format(owner=owner, repo=repo)
    return None


def is_setting(words: str) -> bool:
    """Whether a merge is refused by a setting of the repository that nobody can bypass, not by a rule of the branch."""
    return _NO_SQUASH.search(words) is not None
