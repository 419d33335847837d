"""Golden texts on promotions that somebody meddled with; see ``test_messages`` for how they are kept."""

import pytest

from bot.messages import promotions as texts
from tests.unit.test_messages import SHA, matches

ABOUT = texts.About("snapcraft-io", "production", SHA)
EDIT = texts.Commit("9e8d7c6" + "0" * 33, "Pin the <image> (#4)", "Dora Lind")
OURS = "5b4a392" + "0" * 33
BRANCH = "slipway/production/snapcraft-io"

TEXTS = {
    "declined": texts.declined(ABOUT, branch_gone=False),
    "declined-by-deletion": texts.declined(ABOUT, branch_gone=True),
    "reopened": texts.reopened(ABOUT),
    "gone-app": texts.gone(ABOUT, texts.no_app("snapcraft-io")),
    "gone-environment": texts.gone(ABOUT, texts.no_environment("production")),
    "gone-gate": texts.gone(ABOUT, texts.no_gate("production")),
    "there-already": texts.gone(ABOUT, texts.there_already("production")),
    "overtaken": texts.gone(ABOUT, texts.overtaken("production")),
    "foreign-head": texts.foreign_head(ABOUT, EDIT, "acme/config", ours=OURS, branch=BRANCH),
    "foreign-head-alone": texts.foreign_head(ABOUT, EDIT, "acme/config", ours=None, branch=BRANCH),
    "head-mended": texts.head_mended(ABOUT),
    "wrong-base": texts.wrong_base(ABOUT, "next", "master"),
    "rebuilt": texts.rebuilt(ABOUT, EDIT, "acme/config", paths=["production/snapcraft-io.yaml"], voided=["abel"]),
    "rebuilt-before-approval": texts.rebuilt(
        ABOUT, None, "acme/config", paths=["production/a.yaml", "production/b.yaml"], voided=[]
    ),
    "refused-by-rules": texts.refused_by_rules(
        ABOUT, "At least 2 approving reviews are required by reviewers with write access.", "master"
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_people_read_on_a_promotion(name: str) -> None:
    assert matches(f"promotion-{name}.md", TEXTS[name])


def test_a_page_that_slipway_closed_names_its_release_no_more() -> None:
    page = f"<!-- slipway-id: snapcraft-io@{SHA}/production -->\r\n\r\nPuts it live."
    assert texts.release_in(page) == SHA
    closed = texts.closed_body(page)
    assert texts.release_in(closed) is None
    assert closed.endswith("\n\nPuts it live.")
