# mergeway with its miniature models.
#
#   docker build -t mergeway .
#   docker run -p 8080:8080 -e MERGEWAY_API_KEYS=secret -v mergeway:/data mergeway
#
# With an NVIDIA GPU (the image then carries CUDA's libraries, some 4 GB):
#
#   docker build -t mergeway:cuda --build-arg DEVICE=cuda .
#   docker run --gpus all -p 8080:8080 -e MERGEWAY_API_KEYS=secret -v mergeway:/data mergeway:cuda
#
# Own models: mount a folder of Hugging Face folders and set MERGEWAY_MODELS.
# Every flag of mergeway serve has such a variable.

ARG GO_VERSION=1.26
ARG RUST_VERSION=1.95
ARG DEBIAN=bookworm

FROM rust:${RUST_VERSION}-slim-${DEBIAN} AS rust

FROM golang:${GO_VERSION}-${DEBIAN} AS build
# Debian forgets old versions: pinning them would break the build, not fix it.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV PATH=/usr/local/cargo/bin:$PATH \
    CARGO_HOME=/usr/local/cargo \
    RUSTUP_HOME=/usr/local/rustup \
    MERGEWAY_CACHE=/opt/mergeway
WORKDIR /src

# The native parts and the modules change rarely: they come before the source.
COPY go.mod go.sum ./
COPY scripts/setup scripts/lib.sh scripts/
COPY scripts/native scripts/native
ARG DEVICE=cpu
RUN if [ "$DEVICE" = cuda ]; then scripts/setup --cuda; else scripts/setup; fi
RUN go mod download

COPY . .
ARG VERSION=container
RUN VERSION="$VERSION" scripts/build \
 && rm /opt/mergeway/native/lib/libtokenizers.a \
 && mkdir /data

FROM debian:${DEBIAN}-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/mergeway/native/lib /opt/mergeway/native/lib
COPY --from=build /src/bin/mergeway /usr/local/bin/mergeway
COPY zoo/models /opt/mergeway/models
COPY zoo/tasks /opt/mergeway/tasks
COPY --from=build --chown=10001:10001 /data /data

ARG DEVICE=cpu
# The second folder of the plugin path exists in the CUDA image only.
ENV PJRT_PLUGIN_LIBRARY_PATH=/opt/mergeway/native/lib:/opt/mergeway/native/lib/nvidia \
    GOMLX_NO_AUTO_INSTALL=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    MERGEWAY_BACKEND=xla:${DEVICE} \
    MERGEWAY_ADDR=0.0.0.0:8080 \
    MERGEWAY_MODELS=/opt/mergeway/models \
    MERGEWAY_TASKS=/opt/mergeway/tasks \
    MERGEWAY_DATA=/data
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --start-period=60s --interval=15s --timeout=5s \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["mergeway"]
CMD ["serve"]
