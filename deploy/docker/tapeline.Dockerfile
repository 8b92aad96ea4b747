# The image of the tool `tapeline`. In the checkout: docker build -f
# deploy/docker/tapeline.Dockerfile .

FROM swift:6.3-bookworm AS build
# The packages of the build are the same in every Dockerfile here, so one layer serves all of them.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        libcurl4-openssl-dev libhiredis-dev libmicrohttpd-dev libnats-dev libpq-dev libssl-dev \
        libwebsockets-dev libxxhash-dev libyaml-dev rsync zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
# The number of parallel compilers. Empty means one per core.
ARG BUILD_JOBS=
# The commit that the program names: .git is not in the context. deploy/local/revision.sh prints it.
ARG REVISION=unknown
# The checkout is copied into the cache and not into a layer. An unchanged file keeps its inode and
# its time there, so only changed files are compiled. All images share this cache.
RUN --mount=type=bind,target=/checkout \
    --mount=type=cache,id=tapeline-build,target=/build,sharing=locked \
    rsync --archive --delete --exclude=/.build /checkout/ /build/ \
    && cd /build \
    && mkdir -p /out \
    && for program in tapeline provider-gateway; do \
        TAPELINE_REVISION="$REVISION" swift build --configuration release --static-swift-stdlib -debug-info-format none \
            ${BUILD_JOBS:+--jobs "$BUILD_JOBS"} --product "$program" \
        && strip --strip-debug -o "/out/$program" ".build/release/$program" || exit 1; \
    done

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libcurl4 libhiredis0.14 libmicrohttpd12 \
        libnats3.4 libpq5 libwebsockets17 libyaml-0-2 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && groupadd --system --gid 10001 tapeline \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin tapeline \
    && install --directory --owner 10001 --group 10001 --mode 0750 /var/lib/tapeline
# Paths are relative to this folder, as in a checkout.
WORKDIR /opt/tapeline
COPY deploy/postgres deploy/postgres
COPY services/operator-worker/graphs services/operator-worker/graphs
# `tapeline replay` starts a gateway itself.
COPY --from=build /out/tapeline /out/provider-gateway bin/
# A number, so that an orchestrator can see that the user is not root.
USER 10001:10001
ENV PATH=/opt/tapeline/bin:/usr/bin:/bin SWIFT_BACKTRACE=enable=no
ENTRYPOINT ["tapeline"]
CMD ["help"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tapeline" \
    org.opencontainers.image.description="The person's tool of Tapeline" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
