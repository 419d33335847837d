"""What a pull request to the config repo is told: golden texts, and that they fit."""

from bot.facts import Difference, StatusState
from bot.messages.effect import (
    LONGEST_COMMENT,
    PlaceEffect,
    catalog_comment,
    conflict_comment,
    effect_comment,
    effect_status,
)
from tests.unit.test_messages import matches

BASE, HEAD = "77aa001" + "0" * 33, "3f2c1ab" + "0" * 33
BEFORE = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  colour: red\n  size: '9'\n"
AFTER = BEFORE.replace("red", "blue")
CHANGED = Difference("ConfigMap", "staging", "settings", BEFORE, AFTER)
CREATED = Difference("ConfigMap", "staging", "more", None, BEFORE.replace("settings", "more"))
SAME = Difference("Service", "staging", "shop", BEFORE, BEFORE)
WARNED = Difference(
    "PodDisruptionBudget",
    "staging",
    "shop",
    BEFORE,
    BEFORE,
    warnings=("policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+, unavailable in v1.25+",),
)
REFUSED = Difference("Deployment", "staging", "shop", problem="`spec.nonsense` is no field of this kind: <b>remove</b>")


def text(*places: PlaceEffect, left_out: tuple[str, ...] = ()) -> str:
    return effect_comment(places, base=BASE, head=HEAD, left_out=left_out)


def test_an_effect() -> None:
    places = (
        PlaceEffect("shop", "staging", (CHANGED, CREATED, SAME, WARNED), leaving=("Service `old`",), pruned=True),
        PlaceEffect("", "staging", (SAME,), leaving=("Ingress `old`",)),
    )
    assert matches("effect.md", text(*places))
    assert effect_status(places) == (StatusState.SUCCESS, "3 objects would change: 2 places")


def test_an_effect_that_the_clusters_refuse() -> None:
    places = (
        PlaceEffect("shop", "staging", (REFUSED, SAME)),
        PlaceEffect(
            "shop", "production", problem="The cluster `production` cannot be reached (refused).", unknown=True
        ),
        PlaceEffect("blog", "staging", problem="staging/blog.yaml:3: this is not YAML: correct it."),
    )
    assert matches("effect-refused.md", text(*places, left_out=("docs in staging",)))
    assert effect_status(places) == (
        StatusState.FAILURE,
        "shop in staging (and 1 more) could not be applied: see the comment",
    )


def test_a_cluster_that_is_away_is_no_fault_of_the_pull_request() -> None:
    away = PlaceEffect("shop", "staging", problem="The cluster `staging` cannot be reached.", unknown=True)
    assert effect_status((away,)) == (StatusState.ERROR, "shop in staging: the cluster could not be asked")


def test_a_change_of_nothing() -> None:
    assert matches("effect-nothing.md", text())
    assert effect_status(()) == (StatusState.SUCCESS, "Nothing would change on the clusters")


def test_a_catalog_that_cannot_be_used_and_one_that_was_mended() -> None:
    problems = "slipway.yaml:5: environments[staging].gate: must be `commit` or `pull-request`, not `comit`"
    assert matches("effect-catalog.md", catalog_comment(problems))
    assert matches("effect-catalog-mended.md", catalog_comment(""))


def test_conflicts() -> None:
    assert matches("effect-conflicts.md", conflict_comment(BASE))


def test_an_effect_of_any_size_fits_into_a_comment() -> None:
    long = "".join(f"  key-{number}: {'x' * 80}\n" for number in range(90))
    objects = tuple(Difference("ConfigMap", "staging", f"map-{n}", BEFORE, BEFORE + long) for n in range(60))
    huge = Difference("ConfigMap", "staging", "huge", BEFORE, BEFORE + long * 30)
    told = text(*(PlaceEffect(f"app-{n}", "staging", (huge, *objects)) for n in range(40)))
    assert len(told) <= LONGEST_COMMENT
    assert "ConfigMap `huge`: its diff is too long to be shown." in told
    assert "+  key-0: " in told


def test_a_diff_cannot_end_the_block_it_stands_in() -> None:
    evil = Difference("ConfigMap", "staging", "evil", BEFORE, BEFORE + "  text: |\n    ```\n    ````\n    # Hello\n")
    assert "`````diff" in text(PlaceEffect("shop", "staging", (evil,)))


def test_a_cluster_writes_no_html() -> None:
    assert "<b>" not in text(PlaceEffect("shop", "staging", (REFUSED,)))
