//! On the wall clock, over TCP, on many threads.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

#[test]
fn after_a_stop_in_the_middle_of_load_nothing_listens_and_nothing_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = Clock::wall().await;
        let rate = Rate::Requests(200.0);
        let platform = Platform::start(Topology::shop(), Wire::Tcp, clock, rate).await;
        // As anyone can with curl.
        let mut stream = TcpStream::connect(platform.mesh.entry_address().unwrap())
            .await
            .unwrap();
        let request = b"GET /api/products HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let meters = Arc::clone(platform.mesh.meters());
        while meters.read().service("payments").requests < 5 {
            sleep(Duration::from_millis(20)).await;
        }
        let did = meters.read();
        assert!(did.load.failed * 50 < did.load.requests, "{:?}", did.load);
        let addresses: Vec<SocketAddr> = platform
            .mesh
            .state()
            .services
            .values()
            .flat_map(|service| &service.replicas)
            .filter_map(|replica| replica.address)
            .collect();
        assert!(addresses.len() > 20, "{addresses:?}");
        let Platform {
            mesh,
            load,
            stop_load,
            ..
        } = platform;
        // The load goes on while the platform disappears.
        mesh.stop().await;
        for address in addresses {
            assert!(
                TcpStream::connect(address).await.is_err(),
                "{address} listens"
            );
        }
        stop_load.cancel();
        load.await.unwrap();
        // A task that was awaited is counted until its thread has let go of it.
        let metrics = tokio::runtime::Handle::current().metrics();
        let gone = async {
            while metrics.num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let gone = tokio::time::timeout(5 * SECOND, gone).await;
        assert!(gone.is_ok(), "{} tasks are left", metrics.num_alive_tasks());
    });
}
