# Slipway itself: the web process by default, `python -m bot worker` for a worker, `python -m bot migrate` beforehand.
FROM python:3.11-slim AS packages
COPY requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/slipway && /opt/slipway/bin/pip install --no-cache-dir -r /tmp/requirements.txt

FROM python:3.11-slim
# gpg and ssh-keygen sign commits, where GIT_SIGNING_KEY asks for it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git gnupg openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin slipway \
    && install -d -o slipway -g slipway /srv/slipway/var
COPY --from=packages /opt/slipway /opt/slipway
COPY bot /srv/slipway/bot
COPY webhooks /srv/slipway/webhooks
COPY requirements.txt /srv/slipway/requirements.txt
WORKDIR /srv/slipway
ENV PATH=/opt/slipway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8000
# A number, so that Kubernetes can tell that it is not root.
USER 10001
EXPOSE 8000
CMD ["gunicorn", "--config", "python:webhooks.gunicorn_conf", "--bind", "0.0.0.0:8000", "webhooks.app:create_app()"]
