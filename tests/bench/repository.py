"""The config repo that is measured: N manifests of the kinds people write, and bumps of them.

Manifest number ``i`` belongs to app ``i // 2``, in staging or production. Spellings differ (quotes, comments, CRLF),
for a bump that touches more than the image shows only where there is something to touch.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot import messages
from bot.facts import Change
from bot.images import ImageReference
from bot.manifests.forms import Form
from bot.releases import Merge, Person, Release, bump_id
from bot.steps.enter import image_edit
from tests.bench.git import git

ANN = Person("ann", 7, "Ann Onymous")
MAIN = "refs/heads/main"
ENVIRONMENTS = ("staging", "production")
HISTORY = 100
"""Commits that the config repo has before the first bump."""

_SPELLINGS = ("image: {}", "image: {}  # set by the bot", 'image: "{}"', "image:   '{}' # quoted")

_MANIFEST = """\
# {app}: who owns it, and how to reach them, is in the wiki
kind: Service
apiVersion: v1
metadata:
  name: {app}
spec:
  selector: {{app: {app}}}
  ports:
    - name: http
      protocol: TCP
      port: 80
      targetPort: http

---

kind: Deployment
apiVersion: apps/v1
metadata:
    name:   {app}
    labels: {{ 'app' : "{app}" }}
spec:
  replicas: 3
  selector:
    matchLabels:
      app: {app}
  template:
    metadata:
      labels:
        app: {app}
    spec:
      containers:
      - name: {app}
        {image}
        ports:
        - name: http
          containerPort: 80
        env:
        - {{name: SECRET_KEY, valueFrom: {{secretKeyRef: {{key: {app}, name: secret-keys}}}}}}
        - name: GREETING
          value: >-
            hello
            world    # no comment, but text
        readinessProbe:
          httpGet: {{path: /_status/check, port: 80}}
          periodSeconds: 5
        resources:
          limits:
            memory: 256Mi
"""


@dataclass(frozen=True)
class Bump:
    """Version ``version`` of a manifest's app is to run. Version 0 is what runs at first."""

    manifest: int
    version: int

    @property
    def app(self) -> str:
        return f"app-{self.manifest // 2:05}"

    @property
    def environment(self) -> str:
        return ENVIRONMENTS[self.manifest % 2]

    @property
    def path(self) -> str:
        return f"{self.environment}/{self.app}.yaml"

    @property
    def release(self) -> Release:
        sha = hashlib.sha1(f"{self.app} {self.version}".encode(), usedforsecurity=False).hexdigest()
        digest = hashlib.sha256(sha.encode()).hexdigest()
        image = f"registry.example.com/web/{self.app}:{sha[:7]}@sha256:{digest}"
        merge = Merge(f"web/{self.app}", sha, "Say hello", ANN, "2024-05-06T07:08:09Z", self.version, "Say hello")
        return Release(self.app, image, merge)

    @property
    def id(self) -> str:
        return bump_id(self.release.id, self.environment)

    @property
    def text(self) -> bytes:
        """The manifest as it is to be afterwards."""
        image = _SPELLINGS[self.manifest % len(_SPELLINGS)].format(self.release.image)
        text = _MANIFEST.format(app=self.app, image=image)
        return (text.replace("\n", "\r\n") if self.manifest % 5 == 0 else text).encode()

    @property
    def message(self) -> str:
        previous = Bump(self.manifest, max(0, self.version - 1)).release.image
        return messages.commit_message(self.release, self.environment, previous_image=previous)

    @property
    def change(self) -> Change:
        """The bump as the bot makes it: it is not told what the text will be."""
        return Change(
            self.id, self.message, ANN, image_edit(Form((self.path,)), ImageReference.parse(self.release.image))
        )


def bumps(manifests: int) -> Iterator[Bump]:
    """Bumps without end, manifest after manifest, each version above the last."""
    version = 0
    while True:
        version += 1
        yield from (Bump(manifest, version) for manifest in range(manifests))


def commit_stream(message: str, files: dict[str, bytes], *, on: str | None = None, ref: str = MAIN) -> bytes:
    """A commit to a branch for ``git fast-import``; ``on`` names its parent where the stream has not had one."""
    parts = [f"commit {ref}\ncommitter Paula <paula@example.org> 1700000000 +0000\n".encode(), _data(message.encode())]
    if on is not None:
        parts.append(f"from {on}\n".encode())
    for path, text in files.items():
        parts += [f"M 100644 inline {path}\n".encode(), _data(text)]
    return b"".join(parts)


def create(bare: Path, manifests: int) -> None:
    """Make the config repo, packed as a server would have it."""
    bare.mkdir(parents=True)
    git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
    for key, value in {"http.receivepack": "true", "receive.autogc": "false", "gc.auto": "0"}.items():
        git(bare, "config", key, value)
    files = {bump.path: bump.text for bump in (Bump(manifest, 0) for manifest in range(manifests))}
    stream = commit_stream("First\n", files)
    for number in range(HISTORY):
        stream += commit_stream(f"Say {number}\n", {"README.md": f"{number}\n".encode()})
    git(bare, "fast-import", "--quiet", stdin=stream)
    git(bare, "gc", "--quiet")


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)
