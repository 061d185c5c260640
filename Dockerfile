# One image for monitor, operator, agent and the simulated services.
#   docker build -t crosswatch:dev .
FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --package crosswatch-cli \
    && cp target/release/crosswatch /crosswatch

# glibc and nothing else: no shell, no package manager, user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /crosswatch /crosswatch
USER 65532:65532
ENTRYPOINT ["/crosswatch"]
CMD ["--help"]
