"""``bump`` as people run it: a real process, real files, exact bytes, and every exit code its help page promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.atomic_files import replace_files
from bot.unified_diff import unified_diff

CHECKOUT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "manifests"
RUNNER = "from bot.bump_command import bump; bump(prog_name='bump')"
SITE = "registry.example.com/site"
POD = f"kind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - image: {SITE}:old\n"


def bump(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER, *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        check=False,
    )


def refused(code: int, *arguments: str | Path, stdin: bytes = b"") -> str:
    """The error text, after seeing that there is nothing else."""
    done = bump(*arguments, stdin=stdin)
    assert (done.returncode, done.stdout) == (code, b"")
    error = done.stderr.decode()
    assert "Traceback" not in error
    return error


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    path = tmp_path / "pod.yaml"
    path.write_text(POD)
    return path


def test_the_default_output_is_a_diff_and_the_file_stays(pod: Path) -> None:
    done = bump("pod.yaml", "--image", f"{SITE}:new", cwd=pod.parent)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (
        "--- a/pod.yaml\n+++ b/pod.yaml\n@@ -2,4 +2,4 @@\n metadata: {name: a}\n spec:\n   containers:\n"
        f"-  - image: {SITE}:old\n+  - image: {SITE}:new\n"
    )
    assert pod.read_text() == POD


@pytest.mark.parametrize("name", ["windows.yaml", "styles.yaml", "stream.yaml", "tabs.yaml", "anchors.yaml"])
def test_git_apply_makes_of_the_diff_what_in_place_writes(name: str, tmp_path: Path) -> None:
    image = "site:new" if name == "stream.yaml" else f"{SITE}:new"
    applied, written = tmp_path / "applied" / name, tmp_path / "written" / name
    for path in (applied, written):
        path.parent.mkdir()
        path.write_bytes((FOLDER / name).read_bytes())
    diff = bump(name, "--image", image, cwd=applied.parent).stdout
    subprocess.run(["git", "apply", "--whitespace=nowarn"], input=diff, cwd=applied.parent, check=True)
    assert bump(written, "--image", image, "--in-place").returncode == 0
    assert applied.read_bytes() == written.read_bytes() != (FOLDER / name).read_bytes()


def test_standard_input_comes_out_edited_byte_for_byte() -> None:
    data = (FOLDER / "windows.yaml").read_bytes()
    done = bump("-", "--image", f"{SITE}:new", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data.replace(b"site:old", b"site:new")


def test_in_place_says_what_it_wrote_and_where(pod: Path) -> None:
    done = bump(pod, "--image", f"{SITE}:new", "--in-place")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{pod}:5: {SITE}:old -> {SITE}:new\n"
    assert pod.read_text() == POD.replace("old", "new")


def test_in_place_keeps_the_mode_follows_links_and_leaves_nothing_behind(pod: Path) -> None:
    pod.chmod(0o640)
    link = pod.parent / "link.yaml"
    link.symlink_to("pod.yaml")
    assert bump(link, "--image", f"{SITE}:new", "--in-place").returncode == 0
    assert link.is_symlink()
    assert pod.read_text() == POD.replace("old", "new")
    assert pod.stat().st_mode & 0o7777 == 0o640
    assert sorted(path.name for path in pod.parent.iterdir()) == ["link.yaml", "pod.yaml"]


def test_a_file_named_twice_is_bumped_once(pod: Path) -> None:
    link = pod.parent / "link.yaml"
    link.symlink_to("pod.yaml")
    done = bump("pod.yaml", "./pod.yaml", "link.yaml", "--image", f"{SITE}:new", cwd=pod.parent)
    assert done.stdout.count(b"+++ b/pod.yaml") == done.stdout.count(b"+++") == 1


def test_one_file_without_a_match_keeps_all_files_unwritten(pod: Path) -> None:
    other = pod.parent / "other.yaml"
    other.write_text(POD.replace("site", "other"))
    error = refused(2, pod, other, "--image", f"{SITE}:new", "--in-place")
    assert error == f"Error: {other}: no container runs {SITE}; it has registry.example.com/other:old (Pod/a)\n"
    assert pod.read_text() == POD


def test_one_file_that_cannot_be_edited_keeps_all_files_unwritten(pod: Path) -> None:
    error = refused(1, pod, FOLDER / "helm-template.yaml", "--image", f"{SITE}:new", "--in-place")
    assert "helm-template.yaml:10: the template" in error
    assert pod.read_text() == POD


def test_already_at_that_image_is_no_error_and_is_said(pod: Path) -> None:
    for arguments in ([], ["--in-place"]):
        done = bump(pod, "--image", f"{SITE}:old", *arguments)
        assert (done.returncode, done.stdout) == (0, b"")
        assert done.stderr.decode() == f"{pod}: already at {SITE}:old\n"
    done = bump("-", "--image", f"{SITE}:old", stdin=POD.encode())
    assert (done.returncode, done.stdout) == (0, POD.encode())


def test_deployment_narrows_by_workload_name(pod: Path) -> None:
    pod.write_text(f"{POD}---\n{POD.replace('name: a', 'name: b')}")
    assert bump(pod, "--image", f"{SITE}:new", "--deployment", "b", "--in-place").returncode == 0
    assert pod.read_text() == f"{POD}---\n{POD.replace('name: a', 'name: b').replace('old', 'new')}"
    error = refused(2, pod, "--image", f"{SITE}:new", "--deployment", "c")
    assert f"no container in a workload named c runs {SITE}; it has" in error


def test_json_tells_what_changed(pod: Path) -> None:
    done = bump("pod.yaml", "--image", f"{SITE}:new", "--json", cwd=pod.parent)
    facts = json.loads(done.stdout)
    diff = facts["files"][0].pop("diff")
    assert f"+  - image: {SITE}:new\n" in diff
    assert facts == {
        "image": f"{SITE}:new",
        "files": [
            {
                "path": "pod.yaml",
                "found": 1,
                "changes": [
                    {
                        "line": 5,
                        "old": f"{SITE}:old",
                        "new": f"{SITE}:new",
                        "containers": [{"workload": "Pod/a", "container": "", "init": False}],
                    }
                ],
                "written": False,
            }
        ],
    }


def test_json_tells_what_was_written_and_carries_standard_input(pod: Path) -> None:
    written = json.loads(bump(pod, "--image", f"{SITE}:new", "--json", "--in-place").stdout)
    assert written["files"][0]["written"] is True
    again = json.loads(bump(pod, "--image", f"{SITE}:new", "--json", "--in-place").stdout)
    assert (again["files"][0]["written"], again["files"][0]["changes"]) == (False, [])
    piped = json.loads(bump("-", "--image", f"{SITE}:new", "--json", stdin=POD.encode()).stdout)
    assert piped["files"][0]["document"] == POD.replace("old", "new")


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (SITE, "has neither a tag nor a digest, so there is nothing to set"),
        (f"{SITE}:${{TAG}}", "is not a tag"),
        (f"{SITE}@sha256:abc", "64 lower-case hex digits"),
        ("Registry/Site:1", "must be lower case"),
        ("", "this one is empty"),
    ],
)
def test_an_image_that_cannot_be_set_is_wrong_usage(image: str, problem: str, pod: Path) -> None:
    assert problem in refused(2, pod, "--image", image)


@pytest.mark.parametrize("arguments", [["-", "x.yaml"], ["-", "--in-place"], ["x.yaml", "-"]])
def test_standard_input_goes_alone(arguments: list[str]) -> None:
    assert "edited alone" in refused(2, *arguments, "--image", f"{SITE}:new", stdin=POD.encode())


def test_standard_input_without_a_match_prints_no_document() -> None:
    assert "-: no container runs other" in refused(2, "-", "--image", "other:1", stdin=POD.encode())


def test_a_file_without_containers_and_one_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("kind: ConfigMap\n")
    assert "it has no container at all" in refused(2, empty, "--image", f"{SITE}:new")
    error = refused(2, FOLDER / "helm-template.yaml", "--image", "other:1")
    assert "no container runs other, as far as it can be read: " in error
    assert "helm-template.yaml:10" in error


def test_what_is_no_readable_file_is_refused_by_name(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"# caf\xe9\n" + POD.encode())
    assert "latin.yaml is not UTF-8 from byte 6 on" in refused(1, latin, "--image", f"{SITE}:new")
    assert f"{tmp_path} is a folder; name the manifest files in it" in refused(1, tmp_path, "--image", f"{SITE}:new")
    assert "cannot be read: No such file" in refused(1, tmp_path / "gone.yaml", "--image", f"{SITE}:new")


def test_what_is_no_regular_file_is_not_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f'cat > "{pipe}"'], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        writer.stdin.write(POD.encode())
        writer.stdin.close()
        error = refused(1, pipe, "--image", f"{SITE}:new", "--in-place")
    assert "cannot be written: it is not a regular file" in error


def test_help_documents_the_exit_codes() -> None:
    done = bump("--help")
    assert done.returncode == 0
    assert b"Exit codes:\n    0  " in done.stdout


def test_a_write_that_fails_half_way_leaves_every_file_as_it_was(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_bytes(b"before")
    with pytest.raises(FileNotFoundError):
        replace_files({first: b"after", tmp_path / "gone" / "second": b"after"})
    assert first.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [first]


LINES = st.lists(st.sampled_from(["", "a", "b", "a\r", "\u2028", "- x"]), min_size=1, max_size=30)


@given(LINES, st.sets(st.integers(0, 29)), st.sampled_from(["", "\n"]))
@settings(deadline=None, max_examples=60)
def test_every_diff_applies_and_gives_the_new_text(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], edited: set[int], end: str
) -> None:
    before = "\n".join(lines) + end
    after = "\n".join(line + "!" * (line != "" and number in edited) for number, line in enumerate(lines)) + end
    diff = unified_diff("dir/a file", before, after)
    assert (diff == "") == (before == after)
    folder = tmp_path_factory.mktemp("diff")
    path = folder / "dir" / "a file"
    path.parent.mkdir()
    path.write_bytes(before.encode())
    if diff and before:
        subprocess.run(["git", "apply", "--whitespace=nowarn"], input=diff.encode(), cwd=folder, check=True)
        assert path.read_bytes().decode() == after


def test_a_diff_joins_hunks_whose_contexts_touch_and_no_others() -> None:
    before = "".join(f"{number}\n" for number in range(1, 41))
    near = before.replace("\n10\n", "\nten\n").replace("\n17\n", "\nseventeen\n")
    far = before.replace("\n10\n", "\nten\n").replace("\n18\n", "\neighteen\n")
    assert [line for line in unified_diff("x", before, near).split("\n") if line.startswith("@@")] == [
        "@@ -7,14 +7,14 @@"
    ]
    assert [line for line in unified_diff("x", before, far).split("\n") if line.startswith("@@")] == [
        "@@ -7,7 +7,7 @@",
        "@@ -15,7 +15,7 @@",
    ]
