# Short names for what is typed often. `just --list` shows them.

# Format, lint, and check that everything builds.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# All tests that need nothing but Rust.
test:
    cargo nextest run --workspace

# Some tests: `just test-one 'package(monitor-store)'`.
test-one FILTER:
    cargo nextest run --workspace -E '{{FILTER}}'

# A monitor, fed and then troubled.
demo:
    cargo run --release -- demo

# Refresh golden files and generated documents; look at the difference before committing.
bless:
    # One test at a time: two that rewrite the same source file would undo each other.
    UPDATE_EXPECT=1 cargo test --workspace -- --test-threads=1

# The demo's experiment, to its verdict: six minutes, and a machine that has nothing else to do.
verdict:
    cargo test --release -p crosswatch-cli --test it on_a_cluster_an_experiment -- --ignored

# The manifests that are made from others: the mesh's from its topology, one file from the laptop's overlay.
manifests:
    cargo run -- sim manifests --output manifests/mesh
    (head -n 1 manifests/laptop.yaml; kubectl kustomize manifests/overlays/laptop) > laptop.yaml
    mv laptop.yaml manifests/laptop.yaml

# What hosted CI runs.
ci:
    .ci/run

# Speed of parsing, indexing and the whole pipeline, beside raw tantivy.
bench:
    cargo bench --workspace
