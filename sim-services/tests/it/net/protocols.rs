//! The protocols are real: over TCP, by ourselves and by a client that is not ours.

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use prost::Message;
use tonic::transport::Endpoint;

use super::*;

/// Patience over real sockets; no test should need it.
const LONG: Duration = Duration::from_secs(30);

#[derive(Clone, PartialEq, Message)]
struct Note {
    #[prost(string, tag = "1")]
    text: String,
}

async fn speaks_http(service: &str) {
    let world = World::new(Wire::Tcp, plain);
    let replica = world.replica(service).await;
    let client = world.client(&replica.member.environment);
    let ask = async |request| call(&client, service, request, LONG).await.0.unwrap();
    assert_eq!(ask(get("/status/404")).await.status, 404);
    assert_eq!(ask(post("/echo", "milk")).await.body, "milk");
    assert_eq!(ask(get("/bytes/200000")).await.body, pattern(200_000));
    let big = vec![b'x'; 1024 * 1024];
    assert_eq!(ask(post("/echo", big.clone())).await.body, big);
    let mut longer = big;
    longer.push(b'x');
    assert_eq!(ask(post("/echo", longer)).await.status, 413);
    assert_eq!(ask(get("/")).await.status, 200);
    world.net.stop().await;
}

#[tokio::test]
async fn http1_over_tcp() {
    speaks_http("orders").await;
}

#[tokio::test]
async fn http2_over_tcp() {
    speaks_http("cart").await;
}

#[tokio::test]
async fn http1_with_tls_over_tcp() {
    speaks_http("payments").await;
}

#[tokio::test]
async fn grpc_over_tcp_and_a_wire() {
    let world = World::new(Wire::Tcp, plain);
    world.replica("ledger").await;
    let client = world.client("cloud-a");
    let ask = async |request| call(&client, "ledger", request, LONG).await;
    let (reply, took) = ask(post("/bank.ledger.Ledger/Post", "milk")).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.grpc_status), (200, Some(0)));
    assert_eq!(reply.body, "milk");
    assert!(took >= ms(40), "{took:?}");
    for code in [3, 8, 14] {
        let path = format!("/bank.ledger.Ledger/code/{code}");
        let reply = ask(post(&path, "milk")).await.0.unwrap();
        assert_eq!((reply.status, reply.grpc_status), (200, Some(code)));
    }
    // A handler that speaks HTTP only is translated.
    let reply = ask(post("/bank.ledger.Ledger/status/503", ""))
        .await
        .0
        .unwrap();
    assert_eq!((reply.status, reply.grpc_status), (200, Some(14)));
    world.net.stop().await;
}

async fn ask_with_tonic(to: SocketAddr, path: &str, text: &str) -> Result<Note, tonic::Status> {
    let uri: Uri = format!("http://{to}").parse().unwrap();
    let channel = Endpoint::from(uri).connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let note = tonic::Request::new(Note { text: text.into() });
    let codec = tonic_prost::ProstCodec::<Note, Note>::default();
    let path = path.parse().unwrap();
    let response = grpc.unary(note, path, codec).await?;
    Ok(response.into_inner())
}

#[tokio::test]
async fn a_client_of_tonic_is_served() {
    let world = World::new(Wire::Tcp, plain);
    let address = world.replica("catalog").await.member.address;
    let answer = ask_with_tonic(address, "/shop.catalog.Catalog/GetProduct", "4711").await;
    assert_eq!(answer.unwrap().text, "4711");
    let status = ask_with_tonic(address, "/shop.catalog.Catalog/code/5", "x").await;
    assert_eq!(status.unwrap_err().code(), tonic::Code::NotFound);
    let long = "x".repeat(1024 * 1024);
    let status = ask_with_tonic(address, "/shop.catalog.Catalog/GetProduct", &long).await;
    assert_eq!(status.unwrap_err().code(), tonic::Code::ResourceExhausted);
    world.net.stop().await;
}

/// What a service is told of who asks: the headers pass, those of the hop before do not.
#[tokio::test]
async fn headers_pass_and_hosts_are_those_of_the_callee() {
    struct Tells;
    impl Handler for Tells {
        fn handle(self: Arc<Self>, request: Request, _: SocketAddr) -> BoxFuture<'static, Reply> {
            let of = |name| request.headers.get(name).map(HeaderValue::to_str);
            let body = format!("{:?} {:?}", of("host"), of("x-client-id"));
            Box::pin(async move {
                Reply {
                    status: 200,
                    grpc_status: None,
                    body: body.into(),
                }
            })
        }
    }
    let world = World::new(Wire::Tcp, plain);
    let listener = world.net.listen().await.unwrap();
    let mut member = world.replica("orders").await.member;
    member.address = listener.local_addr();
    let stop = CancellationToken::new();
    world
        .net
        .serve(listener, member.clone(), Arc::new(Tells), &stop)
        .unwrap();
    for listed in world.net.directory().members("orders").iter() {
        world.net.directory().remove(listed.id);
    }
    world.net.directory().register(member);
    let mut request = get("/");
    for (name, value) in [
        ("x-client-id", "c-7"),
        ("host", "edge"),
        ("connection", "close"),
    ] {
        let name = HeaderName::from_static(name);
        request
            .headers
            .insert(name, HeaderValue::from_static(value));
    }
    let (reply, _) = call(&world.client("cloud-a"), "orders", request, LONG).await;
    let told = r#"Some(Ok("orders.shop.cloud-a.internal")) Some(Ok("c-7"))"#;
    assert_eq!(reply.unwrap().body, told);
    world.net.stop().await;
}

#[tokio::test]
async fn nothing_listens_after_the_stop() {
    let world = World::new(Wire::Tcp, plain);
    let mut addresses = Vec::new();
    for service in ["orders", "cart", "payments", "catalog"] {
        let replica = world.replica(service).await;
        addresses.push(replica.member.address);
        let client = world.client("cloud-a");
        let (reply, _) = call(&client, service, post("/a.B/C", ""), LONG).await;
        assert_eq!(reply.unwrap().status, 200);
    }
    world.net.stop().await;
    for address in addresses {
        let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

/// Many at once on several threads, near and across a wire, by every protocol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_all_answered_with_what_is_theirs() {
    let world = World::new(Wire::Tcp, |link| {
        plain(link);
        link.latency = ms(2);
    });
    let services = ["orders", "cart", "search", "catalog", "payments"];
    let mut replicas = Vec::new();
    for service in services {
        replicas.push(world.replica(service).await);
        replicas.push(world.replica(service).await);
    }
    let client = world.client("cloud-a");
    let callers = (0..40).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            for round in 0..25 {
                for service in services {
                    let body = format!("{caller} {round} {service}");
                    let request = post("/a.B/C", body.clone());
                    let (reply, _) = call(&client, service, request, LONG).await;
                    assert_eq!(reply.unwrap().body, body);
                }
            }
        })
    });
    for caller in futures::future::join_all(callers).await {
        caller.unwrap();
    }
    for replica in &replicas {
        assert_eq!(replica.handler.requests.load(Ordering::Relaxed), 500);
    }
    world.net.stop().await;
}
