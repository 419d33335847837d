import base64
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bot.adapters.docker.logins import DockerLogins
from bot.adapters.registry.images import HttpRegistry
from bot.errors import Permanent, Transient
from bot.facts import BuildRequest
from bot.sandbox.builder import SandboxImageBuilder
from bot.sandbox.faults import Answer
from bot.sandbox.registry import Registry

TAG = "3f2c1ab"


def quiet(_line: str) -> None:
    """Nobody reads the output."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry") as stand_in:
        yield stand_in


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A checkout with a few files; each test adds its Dockerfile."""
    folder = tmp_path / "site"
    (folder / "public" / "css").mkdir(parents=True)
    (folder / "public" / "index.html").write_text("<h1>hello</h1>\n")
    (folder / "public" / "css" / "site.css").write_text("h1 { color: green }\n")
    (folder / "server").write_bytes(b"\x7fELF")
    (folder / "server").chmod(0o755)
    return folder


class Built:
    """An image, built from a checkout, as it lies in the builder's folder."""

    def __init__(self, site: Path, dockerfile: str, *, image: str = "example.com/site:v1", **more: object) -> None:
        (site / "Dockerfile").write_text(dockerfile)
        self.root = site.parent / "images"
        self.builder = SandboxImageBuilder(self.root)
        labels = more.get("labels", {})
        assert isinstance(labels, Mapping)
        self.image = image
        platform = more.get("platform")
        assert platform is None or isinstance(platform, str)
        self.builder.build(BuildRequest(site, "Dockerfile", ".", image, labels, platform), quiet)
        [self.folder] = self.root.iterdir()
        self.manifest = json.loads((self.folder / "manifest.json").read_bytes())
        self.config = json.loads((self.folder / self.manifest["config"]["digest"]).read_bytes())

    @property
    def layers(self) -> list[list[tarfile.TarInfo]]:
        found = []
        for layer in self.manifest["layers"]:
            content = io.BytesIO((self.folder / layer["digest"]).read_bytes())
            with tarfile.open(fileobj=content) as tar:
                found.append(tar.getmembers())
        return found

    @property
    def names(self) -> list[str]:
        return [member.name for layer in self.layers for member in layer]


def refusal(site: Path, dockerfile: str) -> str:
    with pytest.raises(Permanent) as refused:
        Built(site, dockerfile)
    return str(refused.value)


# ---------------------------------------------------------------- what is built


def test_each_copy_is_one_layer_and_the_rest_is_configuration(site: Path) -> None:
    text = """\
# syntax=docker/dockerfile:1
FROM scratch
COPY server /
COPY public/ /srv/www/
LABEL maintainer="The Web Team" \\
      # a comment in between
      tier=front
CMD ["/server", "--root", "/srv/www"]
"""
    built = Built(site, text, labels={"tier": "edge", "org.opencontainers.image.created": "2026-11-24T04:00:00Z"})
    assert [[member.name for member in layer] for layer in built.layers] == [
        ["server"],
        ["srv", "srv/www", "srv/www/css", "srv/www/css/site.css", "srv/www/index.html"],
    ]
    assert built.config["config"]["Cmd"] == ["/server", "--root", "/srv/www"]
    assert built.config["config"]["Labels"] == {
        "maintainer": "The Web Team",
        "tier": "edge",
        "org.opencontainers.image.created": "2026-11-24T04:00:00Z",
    }
    assert built.config["created"] == "2026-11-24T04:00:00Z"
    assert built.config["rootfs"]["diff_ids"] == [layer["digest"] for layer in built.manifest["layers"]]


def test_the_same_content_makes_the_same_image_whatever_clock_and_umask_say(site: Path) -> None:
    text = 'FROM scratch\nCOPY . /\nCMD ["/server"]\n'
    first = Built(site, text).manifest
    for path in [site, *site.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (1, 1))
    assert Built(site, text).manifest == first


def test_modes_keep_the_executable_bit_alone_and_everything_belongs_to_root(site: Path) -> None:
    (site / "server").chmod(0o700)
    (site / "public" / "index.html").chmod(0o666)
    built = Built(site, "FROM scratch\nCOPY server public/index.html /bin/\n")
    modes = {member.name: (oct(member.mode), member.uid, member.gid, member.mtime) for member in built.layers[0]}
    assert modes == {
        "bin": ("0o755", 0, 0, 0),
        "bin/server": ("0o755", 0, 0, 0),
        "bin/index.html": ("0o644", 0, 0, 0),
    }


@pytest.mark.parametrize(
    ("copy", "names"),
    [
        ("COPY server /bin/app", ["bin", "bin/app"]),
        ("COPY server /bin/", ["bin", "bin/server"]),
        ("COPY server .", ["server"]),
        ("COPY /server /", ["server"]),
        ("COPY server app/../run", ["run"]),
        ("COPY public /", ["css", "css/site.css", "index.html"]),
        ("COPY public/*.html /www/", ["www", "www/index.html"]),
        ("COPY p?bl[a-z]c/*/site.css /", ["site.css"]),
        ('COPY ["server", "/the server"]', ["the server"]),
        ("copy\tserver\t/", ["server"]),
    ],
)
def test_a_copy_puts_files_where_docker_puts_them(site: Path, copy: str, names: list[str]) -> None:
    assert Built(site, f"FROM scratch\n{copy}\n").names == names


def test_a_file_copied_onto_a_folder_of_an_earlier_layer_goes_into_it(site: Path) -> None:
    built = Built(site, "FROM scratch\nCOPY public /www\nCOPY server /www\n")
    assert built.names[-1] == "www/server"


def test_a_later_copy_replaces_a_file_and_does_not_repeat_folders(site: Path) -> None:
    built = Built(site, "FROM scratch\nCOPY public /www\nCOPY server /www/index.html\n")
    assert [member.name for member in built.layers[1]] == ["www/index.html"]


def test_a_link_inside_a_folder_stays_a_link(site: Path) -> None:
    (site / "public" / "home.html").symlink_to("index.html")
    built = Built(site, "FROM scratch\nCOPY public /\n")
    [link] = [member for member in built.layers[0] if member.name == "home.html"]
    assert (link.issym(), link.linkname) == (True, "index.html")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('CMD ["/a", "b c"]', ["/a", "b c"]),
        ("CMD /a  b", ["/bin/sh", "-c", "/a  b"]),
        ('CMD ["/first"]\nCMD ["/last"]', ["/last"]),
        ("", None),
    ],
)
def test_the_last_command_counts(site: Path, command: str, expected: list[str] | None) -> None:
    assert Built(site, f"FROM scratch\nCOPY server /\n{command}\n").config["config"]["Cmd"] == expected


def test_labels_are_read_with_their_quotes(site: Path) -> None:
    built = Built(site, 'FROM scratch\nLABEL a=1 "b c"=\'d "e"\' f="g\\"h" i=\n')
    assert built.config["config"]["Labels"] == {"a": "1", "b c": 'd "e"', "f": 'g"h', "i": ""}


def test_the_platform_asked_for_is_written_down(site: Path) -> None:
    config = Built(site, "FROM scratch\nCOPY server /\n", platform="linux/arm/v7").config
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm", "v7")


# ---------------------------------------------------------------- .dockerignore


@pytest.mark.parametrize(
    ("ignored", "names"),
    [
        ("public\n", ["server"]),
        ("/public/\n# public is built elsewhere\n\n", ["server"]),
        ("*\n!public/css\n", ["public", "public/css", "public/css/site.css"]),
        ("**/*.css\nserver\n", ["public", "public/css", "public/index.html"]),
        ("public/**\nserver\n", ["public"]),
        ("public/css/..\nserver\n!server\n", ["server"]),
        ("serv\\er\npublic/*\n", ["public"]),
    ],
)
def test_what_dockerignore_names_is_not_in_the_context(site: Path, ignored: str, names: list[str]) -> None:
    (site / ".dockerignore").write_text(ignored + "Dockerfile\n.dockerignore\n")
    assert Built(site, "FROM scratch\nCOPY . /\n").names == names


def test_a_source_that_dockerignore_excludes_is_refused(site: Path) -> None:
    (site / ".dockerignore").write_text("server\n")
    said = refusal(site, "FROM scratch\nCOPY server /\n")
    assert said.startswith("Dockerfile line 2: COPY server: no such file in the build context, or .dockerignore")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: there is no instruction in it"),
        ("FROM node:20\n", "line 1: FROM node:20 is another base than scratch"),
        ("FROM scratch AS a\n", "line 1: FROM scratch AS a is another base"),
        ("COPY server /\nFROM scratch\n", "line 1: COPY stands before FROM"),
        ("ARG A\nFROM scratch\n", "line 1: ARG stands before FROM"),
        ("FROM scratch\n\nRUN npm ci\n", "line 3: RUN needs a Docker engine"),
        ("FROM scratch\n# one\nCOPY \\\n server /\nENV A=b\n", "line 5: ENV needs a Docker engine"),
        ("FROM scratch\nFROM scratch\n", "line 2: a second FROM"),
        ("FROM scratch\nCOPY --from=a /x /\n", "line 2: COPY --from=a is an option"),
        ("FROM scratch\nCOPY server\n", "line 2: COPY needs at least one source and a target"),
        ("FROM scratch\nCOPY server Dockerfile /x\n", "line 2: COPY of several sources needs a target that ends"),
        ("FROM scratch\nCOPY public/* /x\n", "line 2: COPY of several sources needs a target that ends"),
        ("FROM scratch\nCOPY $A /x\n", "line 2: COPY $A holds $"),
        ("FROM scratch\nCOPY <<EOF /x\n", "line 2: COPY <<EOF is a here-document"),
        ("FROM scratch\nCOPY ../x /\n", "line 2: COPY ../x leads out of the build context"),
        ("FROM scratch\nCOPY nothing /\n", "line 2: COPY nothing: no such file"),
        ("FROM scratch\nCOPY server /a\nCOPY public /a\n", "line 3: /a is a file in the image already"),
        ("FROM scratch\nCOPY server /a\nCOPY server /a/b\n", "line 3: /a is a file in the image already"),
        ("FROM scratch\nCOPY public /a/index.html/\nCOPY public /a\n", "line 3: /a/index.html is a folder"),
        ("FROM scratch\nLABEL a b\n", "line 2: LABEL a is not KEY=VALUE"),
        ("FROM scratch\nLABEL a=$B\n", "line 2: LABEL holds $"),
        ('FROM scratch\nLABEL a="b\n', "line 2: LABEL cannot be read"),
        ("FROM scratch\nLABEL\n", "line 2: LABEL without KEY=VALUE"),
        ("FROM scratch\nCMD ['/a']\n", "line 2: ['/a'] begins like a JSON list and is none"),
        ("FROM scratch\nCMD [1]\n", "line 2: [1] is not a list of strings"),
        ("# escape=`\nFROM scratch\n", "line 1: it sets another escape character"),
    ],
)
def test_the_rest_is_refused_by_line(site: Path, text: str, words: str) -> None:
    said = refusal(site, text)
    assert said.startswith(f"Dockerfile {words}")
    assert "FROM scratch, COPY, LABEL and CMD" in said


def test_no_link_leads_out_of_the_checkout(site: Path) -> None:
    secret = site.parent / "secret"
    secret.write_text("hunter2")
    (site / "link").symlink_to(secret)
    (site / "folder").symlink_to(site.parent)
    assert "link is a symbolic link" in refusal(site, "FROM scratch\nCOPY link /\n")
    assert "no such file" in refusal(site, "FROM scratch\nCOPY folder/secret /\n")
    assert "no such file" in refusal(site, "FROM scratch\nCOPY folder/* /\n")


def test_a_dockerfile_or_context_outside_the_checkout_is_refused(site: Path) -> None:
    (site.parent / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (site / "Dockerfile").symlink_to(site.parent / "Dockerfile")
    builder = SandboxImageBuilder(site.parent / "images")
    for dockerfile, context in (("Dockerfile", "."), ("../Dockerfile", "."), ("Dockerfile", "..")):
        with pytest.raises(Permanent, match="leads out of the repository"):
            builder.build(BuildRequest(site, dockerfile, context, "example.com/site:v1", {}), quiet)


def test_a_missing_dockerfile_is_named(site: Path) -> None:
    builder = SandboxImageBuilder(site.parent / "images")
    with pytest.raises(Permanent, match="the Dockerfile `web/Dockerfile` cannot be read: No such file"):
        builder.build(BuildRequest(site, "web/Dockerfile", ".", "example.com/site:v1", {}), quiet)


def test_what_is_no_file_is_refused(site: Path) -> None:
    os.mkfifo(site / "public" / "pipe")
    assert "public/pipe is neither a file, nor a folder" in refusal(site, "FROM scratch\nCOPY public /\n")


# ---------------------------------------------------------------- push and remove


def test_a_pushed_image_is_found_with_its_labels(site: Path, registry: Registry) -> None:
    image = f"{registry.host}/team/site:{TAG}"
    built = Built(site, "FROM scratch\nCOPY server /\n", image=image, labels={"revision": "3f2c1ab"})
    lines: list[str] = []
    built.builder.push(image, lines.append)
    found = HttpRegistry().find(f"{registry.host}/team/site", TAG)
    assert found is not None
    assert found.labels == {"revision": "3f2c1ab"}
    assert lines[-1] == f"pushed {image}: {found.digest}"


def test_pushing_again_uploads_no_blob_again(site: Path, registry: Registry) -> None:
    image = f"{registry.host}/team/site:{TAG}"
    built = Built(site, "FROM scratch\nCOPY server /\n", image=image)
    built.builder.push(image, quiet)
    registry.requests.clear()
    built.builder.push(image, quiet)
    assert [asked.partition(" ")[0] for asked in registry.requests] == ["HEAD", "HEAD", "PUT"]


def test_a_removed_image_cannot_be_pushed_and_removing_it_again_is_fine(site: Path) -> None:
    built = Built(site, "FROM scratch\nCOPY server /\n")
    built.builder.remove(built.image)
    built.builder.remove(built.image)
    with pytest.raises(Permanent, match="it was not built here"):
        built.builder.push(built.image, quiet)


def test_a_push_logs_in_where_the_registry_asks_for_it(site: Path, tmp_path: Path) -> None:
    login = ("robot", "open-sesame")
    with Registry(tmp_path / "private", login=login, bearer=True) as private:
        image = f"{private.host}/team/site:{TAG}"
        built = Built(site, "FROM scratch\nCOPY server /\n", image=image)
        with pytest.raises(Permanent, match="does not let the bot in"):
            SandboxImageBuilder(built.root, DockerLogins(tmp_path / "nobody")).push(image, quiet)
        secret = base64.b64encode(":".join(login).encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {private.host: {"auth": secret}}}))
        logins = DockerLogins(tmp_path)
        SandboxImageBuilder(built.root, logins).push(image, quiet)
        assert HttpRegistry(logins).find(f"{private.host}/team/site", TAG) is not None


def test_a_registry_that_is_not_well_is_transient(site: Path, registry: Registry) -> None:
    image = f"{registry.host}/team/site:{TAG}"
    built = Built(site, "FROM scratch\nCOPY server /\n", image=image)
    registry.faults.add("PUT", "/manifests/", Answer(503, {"Retry-After": "3"}))
    with pytest.raises(Transient) as failed:
        built.builder.push(image, quiet)
    assert failed.value.retry_after == 3
    built.builder.push(image, quiet)
    assert HttpRegistry().find(f"{registry.host}/team/site", TAG) is not None
