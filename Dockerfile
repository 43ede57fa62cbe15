# One image for every service: the command says which one it is, e.g. python -m ledger_service.

# The version that the tests run on.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build

# What changes seldom comes first, so that a change of the code does not install the dependencies again.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/tallybook \
    && /opt/tallybook/bin/pip install --require-hashes --only-binary :all: -r requirements.lock \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock

COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY stubs stubs
COPY service_kit service_kit
COPY ledger_service ledger_service
COPY batch_service batch_service
COPY audit_service audit_service
COPY console console
# Without the network: nothing gets in that no lock names.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /build/wheels ./stubs . \
    && /opt/tallybook/bin/pip install --no-deps --no-index /build/wheels/*.whl


FROM python:${PYTHON_VERSION}-slim-bookworm
# A new volume takes its owner from the directory that it is mounted on.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tallybook \
    && install --directory --owner tallybook --mode 0700 /run/credentials
COPY --from=build /opt/tallybook /opt/tallybook
ENV PATH=/opt/tallybook/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /
CMD ["tallybook", "--help"]
