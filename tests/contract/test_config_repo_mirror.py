"""The mirror may be lost, damaged, contended for or cut off: what is said, and that it mends itself."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bot.errors import Permanent
from tests.git_stage import CONFIG, GitStage, bump, stage, together

__all__ = ["stage"]

PATHS = ("staging/a.yaml", "staging/b.yaml", "production/a.yaml")


def loose_objects(mirror: Path) -> list[Path]:
    return [file for file in (mirror / "objects").glob("??/*") if file.is_file()]


def object_file(stage: GitStage, mirror: Path, name: str) -> Path:
    sha = stage.git("rev-parse", name)
    return mirror / "objects" / sha[:2] / sha[2:]


def empty_all(stage: GitStage, mirror: Path) -> None:
    for file in loose_objects(mirror):
        file.chmod(0o600)
        file.write_bytes(b"")


def garble_all(stage: GitStage, mirror: Path) -> None:
    for file in loose_objects(mirror):
        file.chmod(0o600)
        file.write_bytes(os.urandom(50))


def remove_all(stage: GitStage, mirror: Path) -> None:
    shutil.rmtree(mirror)


def remove_a_blob(stage: GitStage, mirror: Path) -> None:
    object_file(stage, mirror, "main:staging/a.yaml").unlink()


def remove_a_tree(stage: GitStage, mirror: Path) -> None:
    object_file(stage, mirror, "main:staging").unlink()


def remove_the_root(stage: GitStage, mirror: Path) -> None:
    object_file(stage, mirror, "main^{tree}").unlink()


def remove_the_commit(stage: GitStage, mirror: Path) -> None:
    object_file(stage, mirror, "main").unlink()


def garble_the_ref(stage: GitStage, mirror: Path) -> None:
    (mirror / "refs/heads/main").write_text("nonsense\n")


def garble_the_config(stage: GitStage, mirror: Path) -> None:
    (mirror / "config").write_text("[core\nnonsense")


def garble_the_head(stage: GitStage, mirror: Path) -> None:
    (mirror / "HEAD").write_text("")


def leave_locks(stage: GitStage, mirror: Path) -> None:
    for name in ("refs/heads/main.lock", "packed-refs.lock", "config.lock"):
        (mirror / name).touch()


DAMAGES = [
    empty_all,
    garble_all,
    remove_all,
    remove_a_blob,
    remove_a_tree,
    remove_the_root,
    remove_the_commit,
    garble_the_ref,
    garble_the_config,
    garble_the_head,
    leave_locks,
]

SOME_DAMAGES = [empty_all, remove_all, remove_a_tree, leave_locks]

Damage = Callable[[GitStage, Path], None]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_mirror_that_is_damaged_while_it_is_used_mends_itself(stage: GitStage, damage: Damage) -> None:
    repo = stage.open()
    head = repo.fetch()
    repo.last_change(head, PATHS)
    damage(stage, stage.folder / "mirror" / "mirror.git")

    assert [repo.read(head, path) for path in PATHS] == [b"image: a:1\n", b"image: b:1\n", b"image: a:1\n"]
    assert repo.files(head, "") == tuple(sorted(PATHS))
    stage.commit({"x": "1"}, "By hand")
    commit = repo.make(bump("a", 2))
    assert commit is not None
    assert stage.subjects() == ["a: 2 to staging", "By hand", "First"]
    assert repo.last_change(repo.fetch(), ["staging/a.yaml"]) == commit


@pytest.mark.parametrize("damage", SOME_DAMAGES, ids=lambda one: one.__name__)
def test_a_bump_on_a_damaged_mirror_gets_through(stage: GitStage, damage: Damage) -> None:
    repo = stage.open()
    repo.fetch()
    damage(stage, stage.folder / "mirror" / "mirror.git")

    assert repo.make(bump("a", 2)) is not None
    assert stage.subjects() == ["a: 2 to staging", "First"]
    assert stage.git("ls-tree", "-r", "--name-only", "main").split() == sorted(PATHS)


@pytest.mark.parametrize("damage", SOME_DAMAGES, ids=lambda one: one.__name__)
def test_a_proposal_and_a_note_on_a_damaged_mirror_get_through(stage: GitStage, damage: Damage) -> None:
    repo = stage.open()
    head = repo.fetch()
    damage(stage, stage.folder / "mirror" / "mirror.git")

    assert repo.propose("slipway/production/a", bump("a", 2, "production")) is not None
    repo.add_note(head, "x")
    assert stage.git("notes", "--ref=slipway", "show", head) == "x"


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_mirror_that_was_damaged_before_the_start_is_cloned_afresh(stage: GitStage, damage: Damage) -> None:
    with stage.open() as first:
        first.fetch()
    damage(stage, stage.folder / "mirror" / "mirror.git")
    repo = stage.open()

    head = repo.fetch()

    assert repo.read(head, "staging/a.yaml") == b"image: a:1\n"
    assert repo.make(bump("a", 2)) is not None


@pytest.mark.parametrize("seed", range(8))
def test_a_mirror_that_is_hit_anywhere_never_gives_a_wrong_answer(stage: GitStage, seed: int) -> None:
    stage.commit({f"many/{n}.yaml": f"image: m:{n}\n" for n in range(120)}, "Enough for a pack")
    rng = random.Random(seed)
    repo = stage.open()
    repo.make(bump("a", 2))
    files = sorted(file for file in (stage.folder / "mirror" / "mirror.git").rglob("*") if file.is_file())
    for file in rng.sample(files, rng.choice([1, 2, len(files) // 2])):
        content = file.read_bytes()
        file.chmod(0o600)
        at = rng.randrange(len(content) + 1)
        file.write_bytes(rng.choice([b"", content[:at], content[:at] + b"\xff" + content[at + 1 :], rng.randbytes(60)]))
    stage.commit({"x": "1"}, "By hand")

    head = repo.fetch()

    assert head == stage.tip()
    assert repo.files(head, "staging") == ("staging/a.yaml", "staging/b.yaml")
    assert repo.read(head, f"many/{seed}.yaml") == f"image: m:{seed}\n".encode()
    assert repo.make(bump("b", 2)) is not None
    assert stage.git("diff", "--name-only", "main~1", "main") == "staging/b.yaml"


def test_many_threads_on_a_damaged_mirror_clone_it_once(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    empty_all(stage, stage.folder / "mirror" / "mirror.git")
    repo._mirror.objects.close()
    stage.server.requests.clear()

    answers = together([partial(repo.read, head, "staging/a.yaml")] * 12)

    assert {answer.result() for answer in answers} == {b"image: a:1\n"}
    assert repo._mirror.generation == 2


def test_a_mirror_that_git_finds_fault_with_in_words_nobody_knows_is_cloned_afresh(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    config = stage.folder / "mirror" / "mirror.git" / "config"
    config.write_text(config.read_text().replace("bare = true", "bare = tru"))

    assert repo.fetch() == stage.tip()
    assert repo.make(bump("a", 2)) is not None


def test_a_sound_mirror_is_kept_over_a_restart(stage: GitStage) -> None:
    with stage.open() as first:
        first.fetch()
    marker = stage.folder / "mirror" / "mirror.git" / "marker"
    marker.touch()

    stage.open().fetch()

    assert marker.exists()


def test_a_file_that_is_truly_missing_damages_nothing(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    marker = stage.folder / "mirror" / "mirror.git" / "marker"
    marker.touch()

    assert repo.read(head, ".slipway/holds/staging/a.yaml") is None
    assert repo.read(head, "staging/nope.yaml") is None
    assert marker.exists()


def test_the_reading_process_may_be_killed(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    assert repo.read(head, "staging/a.yaml") is not None
    process = repo._mirror.objects._process
    assert process is not None
    process.kill()
    process.wait()

    assert repo.read(head, "staging/a.yaml") == b"image: a:1\n"


# ---------------------------------------------------------------- one mirror a process


def test_a_second_user_of_the_folder_is_refused_until_the_first_has_closed_it(stage: GitStage) -> None:
    first = stage.open()

    with pytest.raises(Permanent, match="WORKER_ID"):
        stage.open()
    first.close()
    stage.open().fetch()


def test_another_process_is_refused_too_and_death_frees_the_folder(stage: GitStage) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from bot.adapters.config_repo import GitConfigRepo\nfrom bot.releases import Person\n"
        "repo = GitConfigRepo(Path(sys.argv[1]), url=sys.argv[2], name='o/c', branch='main',"
        " committer=Person('bot'), token=lambda repo: None)\nprint('held', flush=True)\ntime.sleep(600)\n"
    )
    arguments = [sys.executable, "-c", program, str(stage.folder / "mirror"), f"{stage.server.url}/{CONFIG}.git"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(Permanent, match="Another process"):
            stage.open()
        other.kill()
    stage.open().fetch()
