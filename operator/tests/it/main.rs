//! The operator against an API server: the simulated one in this process, or a real one when
//! `KUBECONFIG_E2E` names a kubeconfig or `KUBEBUILDER_ASSETS` the folder of `etcd` and
//! `kube-apiserver`. The same tests, unchanged: no controllers run, the tests play their part.

mod monitor;
mod onboarding;
mod play;
mod world;
