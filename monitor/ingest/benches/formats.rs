//! What parsing one line costs, by format. Run with
//! `cargo bench -p monitor-ingest --bench formats`.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use monitor_core::Time;
use monitor_ingest::formats::Recognizer;

fn main() {
    divan::main();
}

const SPRING: &str = "2026-11-21 10:05:12.345  INFO [orders,0af7651916cd43dd8448eb211c80319c,b7ad6b7169203331] 1 --- [nio-8080-exec-7] c.a.shop.orders.OrderController : Order accepted Order(id=7f3d2c1b-3a4e-4c55-9f0a-2b1c3d4e5f60, customer=88120, items=[Item(sku=QX-1, count=2), Item(sku=QX-7, count=1)], total=129.90)";
const TRACED: &str = "10:05:12.345 INFO  s.o.OrderServiceImpl#53 TraceID: 0af7651916cd43dd8448eb211c80319c SpanID: b7ad6b7169203331 [createOrder][Reserve stock][Result: Reservation(id=f3d4d4ef-693b-4456-8eed-59c0d717dd08, shelves=[north, south], counts=[0, 50], first=north, last=south)]";
const PINO: &str = r#"{"level":30,"time":1795255512345,"pid":7,"hostname":"web-5c9d8","req":{"id":"req-8f2c","method":"GET","url":"/orders/8812/items?page=2","remoteAddress":"10.0.3.7"},"res":{"statusCode":200},"responseTime":12,"trace_id":"0af7651916cd43dd8448eb211c80319c","msg":"request completed"}"#;
const COMBINED: &str = r#"203.0.113.7 - - [21/Nov/2026:10:05:12 +0000] "GET /orders/8812/items?page=2 HTTP/1.1" 200 512 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64)" 0.012"#;
const LOGFMT: &str = r#"time=2026-11-21T10:05:12.345Z level=info msg="request done" method=GET path=/orders/8812 status=200 duration=12.5ms trace_id=0af7651916cd43dd8448eb211c80319c"#;
const FREE: &str =
    "the quick brown fox jumps over the lazy dog and the order is on its way to the customer";

#[divan::bench(args = [SPRING, TRACED, PINO, COMBINED, LOGFMT, FREE])]
fn parse(bencher: Bencher<'_, '_>, line: &str) {
    let received = Time::from_secs(1_795_255_512);
    let mut recognizer = Recognizer::new();
    bencher
        .counter(ItemsCount::new(1u32))
        .counter(BytesCount::of_str(line))
        .bench_local(|| recognizer.parse(divan::black_box(line), Some(received), received));
}
