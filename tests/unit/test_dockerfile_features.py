"""The lines of a Dockerfile that only BuildKit can build."""

import pytest

from bot.adapters.docker.dockerfile_features import needs_buildkit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM a\nRUN --mount=type=cache,target=/x make", (2, "RUN --mount")),
        ("FROM a\nrun --network=none --mount=type=ssh make", (2, "RUN --network")),
        ("FROM a\n\n# why\nCOPY --from=b --link x y", (4, "COPY --link")),
        ("FROM a\nADD --checksum=sha256:00 https://a/b c", (2, "ADD --checksum")),
        ("FROM a\nONBUILD RUN --mount=type=cache,target=/x make", (2, "RUN --mount")),
        ("FROM a\nRUN <<EOF\nmake\nEOF", (2, "RUN <<")),
        ("FROM a\nCOPY <<-'END' /etc/x\nb\nEND", (2, "COPY <<")),
        ("FROM a\nRUN echo && \\\n    # inside\n    cat <<EOF > x\nEOF", (2, "RUN <<")),
        ("FROM a\nRUN \\\n  --mount=type=cache,target=/x make", (2, "RUN --mount")),
        ("# escape=`\nFROM a\nRUN `\n  --mount=type=bind make", (3, "RUN --mount")),
        ("FROM a\r\nRUN --mount=type=cache,target=/x make\r\n", (2, "RUN --mount")),
    ],
)
def test_line_that_needs_buildkit_is_named(text: str, found: tuple[int, str]) -> None:
    assert needs_buildkit(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nCOPY --from=b --chown=1:1 x y\nRUN make",
        "FROM a\nRUN npm run build -- --mount=type=cache",
        "FROM a\nRUN echo $((1<<3)) && cat <<< text",
        "FROM a\n# RUN --mount=type=cache make\nCMD x",
        "FROM a\nLABEL text='RUN --mount <<EOF'",
        "FROM a\nRUN true \\",
        "",
    ],
)
def test_line_that_every_builder_knows_is_left_alone(text: str) -> None:
    assert needs_buildkit(text) is None
