//! What each dialect writes, to the letter.

use expect_test::{Expect, expect};
use sim_services::telemetry::dialect::write;
use sim_services::telemetry::{Access, Ids, LogEvent};
use sim_services::topology::Dialect;

use super::{AT, access, failure, identity, message};

/// A request that went well and one that did not, two gRPC calls, and messages without ids, with
/// them, and with an exception.
fn check(dialect: Dialect, expected: &Expect) {
    let failed = Access {
        status: 503,
        upstream: None,
        client: None,
        tenant: None,
        ..access()
    };
    let called = Access {
        route: "shop.catalog.Catalog/GetProduct".into(),
        path: "/shop.catalog.Catalog/GetProduct".into(),
        status: 200,
        grpc_status: Some(0),
        user_agent: "grpc-node-js/1.12.0".into(),
        ..access()
    };
    let missed = Access {
        grpc_status: Some(4),
        ids: Ids::default(),
        ..called.clone()
    };
    let mut bare = message();
    bare.ids = Ids::default();
    bare.fields.clear();
    let events = [
        LogEvent::Access(access()),
        LogEvent::Access(failed),
        LogEvent::Access(called),
        LogEvent::Access(missed),
        LogEvent::Message(bare),
        LogEvent::Message(message()),
        LogEvent::Message(failure()),
    ];
    let lines: Vec<String> = events
        .iter()
        .map(|event| write(dialect, &identity(), AT, event))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

/// The first line of a stack trace and of its cause.
fn thrown(kind: &'static str, text: &str) -> Vec<String> {
    let mut message = failure();
    message.error = Some((kind, text.into()));
    let line = write(
        Dialect::Spring,
        &identity(),
        AT,
        &LogEvent::Message(message),
    );
    line.lines()
        .skip(2)
        .filter(|line| !line.starts_with('\t'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_a_library_of_java_threw_is_wrapped_and_what_has_no_cause_shows_none() {
    assert_eq!(
        thrown("java.net.ConnectException", "Connection refused"),
        [
            "org.springframework.web.client.ResourceAccessException: I/O error: Connection refused",
            "Caused by: java.net.ConnectException: Connection refused",
        ]
    );
    assert_eq!(
        thrown("java.lang.IllegalStateException", "unexpected state"),
        ["java.lang.IllegalStateException: unexpected state"]
    );
    assert_eq!(
        thrown("OutOfStock", "nothing is left"),
        ["com.acme.shop.orders.OutOfStockException: nothing is left"]
    );
}

#[test]
fn a_kind_that_the_text_has_is_not_said_twice() {
    let mut message = failure();
    message.error = Some((
        "no such host",
        "dial tcp: lookup stock: no such host".into(),
    ));
    let line = write(Dialect::Klog, &identity(), AT, &LogEvent::Message(message));
    assert!(
        line.contains(r#" err="dial tcp: lookup stock: no such host" "#),
        "{line}"
    );
}

#[test]
fn pino() {
    check(
        Dialect::Pino,
        &expect![[r#"
            {"level":30,"time":1772359200123,"pid":1,"hostname":"orders-6d5f7c9b8-x2x4k","reqId":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331","trace_flags":"01","clientId":"mobile-0042","tenant":"acme","req":{"method":"POST","url":"/orders/4711/pay?retry=1","host":"orders","remoteAddress":"10.1.4.17","remotePort":51322},"res":{"statusCode":201},"responseTime":12.346,"msg":"request completed"}
            {"level":50,"time":1772359200123,"pid":1,"hostname":"orders-6d5f7c9b8-x2x4k","reqId":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331","trace_flags":"01","req":{"method":"POST","url":"/orders/4711/pay?retry=1","host":"orders","remoteAddress":"10.1.4.17","remotePort":51322},"res":{"statusCode":503},"responseTime":12.346,"msg":"request completed"}
            {"level":30,"time":1772359200123,"pid":1,"hostname":"orders-6d5f7c9b8-x2x4k","reqId":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331","trace_flags":"01","clientId":"mobile-0042","tenant":"acme","rpc":{"service":"shop.catalog.Catalog","method":"GetProduct"},"grpc":{"code":"OK"},"responseTime":12.346,"msg":"rpc completed"}
            {"level":40,"time":1772359200123,"pid":1,"hostname":"orders-6d5f7c9b8-x2x4k","clientId":"mobile-0042","tenant":"acme","rpc":{"service":"shop.catalog.Catalog","method":"GetProduct"},"grpc":{"code":"DEADLINE_EXCEEDED"},"responseTime":12.346,"msg":"rpc completed"}
            {"level":30,"time":1772359200123,"pid":1,"hostname":"orders-6d5f7c9b8-x2x4k","name":"OrderService","msg":"order accepted"}
            {"level":30,"time":1772359200123,"pid":1,"hostname":"orders-6d5f7c9b8-x2x4k","reqId":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331","trace_flags":"01","name":"OrderService","order":"4711","state":"to be paid","msg":"order accepted"}
            {"level":50,"time":1772359200123,"pid":1,"hostname":"orders-6d5f7c9b8-x2x4k","reqId":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331","trace_flags":"01","name":"OrderService","order":"4711","state":"to be paid","err":{"type":"UpstreamTimeout","message":"payments: no answer within 2000 ms","stack":"UpstreamTimeout: payments: no answer within 2000 ms\n    at OrderService.handle (/app/dist/order-service.js:252:15)\n    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)\n    at async Object.<anonymous> (/app/dist/routes.js:61:20)"},"msg":"payment failed"}"#]],
    );
}

#[test]
fn zap() {
    check(
        Dialect::Zap,
        &expect![[r#"
            {"level":"info","ts":1772359200.1234567,"logger":"http","caller":"middleware/logging.go:64","msg":"request","method":"POST","path":"/orders/4711/pay?retry=1","status":201,"duration":0.012345678,"bytes":256,"remote_ip":"10.1.4.17","user_agent":"ShopApp/5.2 (iPhone; iOS 18.1)","client_id":"mobile-0042","tenant":"acme","request_id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331"}
            {"level":"error","ts":1772359200.1234567,"logger":"http","caller":"middleware/logging.go:64","msg":"request","method":"POST","path":"/orders/4711/pay?retry=1","status":503,"duration":0.012345678,"bytes":256,"remote_ip":"10.1.4.17","user_agent":"ShopApp/5.2 (iPhone; iOS 18.1)","request_id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331"}
            {"level":"info","ts":1772359200.1234567,"logger":"grpc","caller":"logging/interceptor.go:217","msg":"finished unary call","system":"grpc","span.kind":"server","grpc.service":"shop.catalog.Catalog","grpc.method":"GetProduct","grpc.code":"OK","grpc.time_ms":12.346,"peer.address":"10.1.4.17:51322","client_id":"mobile-0042","tenant":"acme","request_id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331"}
            {"level":"warn","ts":1772359200.1234567,"logger":"grpc","caller":"logging/interceptor.go:217","msg":"finished unary call","system":"grpc","span.kind":"server","grpc.service":"shop.catalog.Catalog","grpc.method":"GetProduct","grpc.code":"DeadlineExceeded","grpc.time_ms":12.346,"peer.address":"10.1.4.17:51322","client_id":"mobile-0042","tenant":"acme"}
            {"level":"info","ts":1772359200.1234567,"logger":"order_service","caller":"order_service/order_service.go:369","msg":"order accepted"}
            {"level":"info","ts":1772359200.1234567,"logger":"order_service","caller":"order_service/order_service.go:369","msg":"order accepted","order":"4711","state":"to be paid","request_id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331"}
            {"level":"error","ts":1772359200.1234567,"logger":"order_service","caller":"order_service/order_service.go:50","msg":"payment failed","order":"4711","state":"to be paid","request_id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","trace_id":"69a40f600102030405060708090a0b0c","span_id":"b7ad6b7169203331","error":"UpstreamTimeout: payments: no answer within 2000 ms","stacktrace":"github.com/acme/orders/internal/order_service.(*OrderService).Handle\n\t/src/internal/order_service/order_service.go:252\ngithub.com/acme/orders/internal/server.(*Server).dispatch\n\t/src/internal/server/server.go:90\nnet/http.HandlerFunc.ServeHTTP\n\t/usr/local/go/src/net/http/server.go:2294\nnet/http.(*conn).serve\n\t/usr/local/go/src/net/http/server.go:2102"}"#]],
    );
}

#[test]
fn ecs() {
    check(
        Dialect::Ecs,
        &expect![[r#"
            {"@timestamp":"2026-03-01T10:00:00.123Z","log.level": "INFO","message":"POST /orders/4711/pay?retry=1 201","ecs.version":"1.2.0","service.name":"orders","service.version":"3.1.4","service.environment":"production","service.node.name":"orders-6d5f7c9b8-x2x4k","event.dataset":"orders","process.thread.name":"http-nio-8080-exec-10","log.logger":"com.acme.shop.orders.web.OrdersController","trace.id":"69a40f600102030405060708090a0b0c","span.id":"b7ad6b7169203331","http.request.id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","http.request.method":"POST","url.path":"/orders/4711/pay","url.query":"retry=1","http.response.status_code":201,"http.request.body.bytes":310,"http.response.body.bytes":256,"event.duration":12345678,"event.outcome":"success","client.address":"10.1.4.17","client.user.id":"mobile-0042","organization.id":"acme","user_agent.original":"ShopApp/5.2 (iPhone; iOS 18.1)"}
            {"@timestamp":"2026-03-01T10:00:00.123Z","log.level":"ERROR","message":"POST /orders/4711/pay?retry=1 503","ecs.version":"1.2.0","service.name":"orders","service.version":"3.1.4","service.environment":"production","service.node.name":"orders-6d5f7c9b8-x2x4k","event.dataset":"orders","process.thread.name":"http-nio-8080-exec-10","log.logger":"com.acme.shop.orders.web.OrdersController","trace.id":"69a40f600102030405060708090a0b0c","span.id":"b7ad6b7169203331","http.request.id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","http.request.method":"POST","url.path":"/orders/4711/pay","url.query":"retry=1","http.response.status_code":503,"http.request.body.bytes":310,"http.response.body.bytes":256,"event.duration":12345678,"event.outcome":"failure","client.address":"10.1.4.17","user_agent.original":"ShopApp/5.2 (iPhone; iOS 18.1)"}
            {"@timestamp":"2026-03-01T10:00:00.123Z","log.level": "INFO","message":"shop.catalog.Catalog/GetProduct OK","ecs.version":"1.2.0","service.name":"orders","service.version":"3.1.4","service.environment":"production","service.node.name":"orders-6d5f7c9b8-x2x4k","event.dataset":"orders","process.thread.name":"http-nio-8080-exec-10","log.logger":"com.acme.shop.orders.web.OrdersController","trace.id":"69a40f600102030405060708090a0b0c","span.id":"b7ad6b7169203331","http.request.id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","rpc.system":"grpc","rpc.service":"shop.catalog.Catalog","rpc.method":"GetProduct","grpc.code":"OK","event.duration":12345678,"event.outcome":"success","client.address":"10.1.4.17","client.user.id":"mobile-0042","organization.id":"acme","user_agent.original":"grpc-node-js/1.12.0"}
            {"@timestamp":"2026-03-01T10:00:00.123Z","log.level": "WARN","message":"shop.catalog.Catalog/GetProduct DEADLINE_EXCEEDED","ecs.version":"1.2.0","service.name":"orders","service.version":"3.1.4","service.environment":"production","service.node.name":"orders-6d5f7c9b8-x2x4k","event.dataset":"orders","process.thread.name":"http-nio-8080-exec-21","log.logger":"com.acme.shop.orders.web.OrdersController","rpc.system":"grpc","rpc.service":"shop.catalog.Catalog","rpc.method":"GetProduct","grpc.code":"DEADLINE_EXCEEDED","event.duration":12345678,"event.outcome":"failure","client.address":"10.1.4.17","client.user.id":"mobile-0042","organization.id":"acme","user_agent.original":"grpc-node-js/1.12.0"}
            {"@timestamp":"2026-03-01T10:00:00.123Z","log.level": "INFO","message":"order accepted","ecs.version":"1.2.0","service.name":"orders","service.version":"3.1.4","service.environment":"production","service.node.name":"orders-6d5f7c9b8-x2x4k","event.dataset":"orders","process.thread.name":"http-nio-8080-exec-21","log.logger":"com.acme.shop.orders.OrderService"}
            {"@timestamp":"2026-03-01T10:00:00.123Z","log.level": "INFO","message":"order accepted","ecs.version":"1.2.0","service.name":"orders","service.version":"3.1.4","service.environment":"production","service.node.name":"orders-6d5f7c9b8-x2x4k","event.dataset":"orders","process.thread.name":"http-nio-8080-exec-10","log.logger":"com.acme.shop.orders.OrderService","trace.id":"69a40f600102030405060708090a0b0c","span.id":"b7ad6b7169203331","http.request.id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","order":"4711","state":"to be paid"}
            {"@timestamp":"2026-03-01T10:00:00.123Z","log.level":"ERROR","message":"payment failed","ecs.version":"1.2.0","service.name":"orders","service.version":"3.1.4","service.environment":"production","service.node.name":"orders-6d5f7c9b8-x2x4k","event.dataset":"orders","process.thread.name":"http-nio-8080-exec-10","log.logger":"com.acme.shop.orders.OrderService","trace.id":"69a40f600102030405060708090a0b0c","span.id":"b7ad6b7169203331","http.request.id":"4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23","order":"4711","state":"to be paid","error.type":"com.acme.shop.orders.UpstreamTimeoutException","error.message":"payments: no answer within 2000 ms","error.stack_trace":"com.acme.shop.orders.UpstreamTimeoutException: payments: no answer within 2000 ms\n\tat com.acme.shop.orders.OrderService.execute(OrderService.java:242)\n\tat com.acme.shop.orders.OrderService.handle(OrderService.java:185)\n\tat com.acme.shop.orders.web.OrdersController.handle(OrdersController.java:186)\n\tat java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:103)\n\tat java.base/java.lang.reflect.Method.invoke(Method.java:580)\n\tat org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:258)\n\tat org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1089)\n\tat org.apache.catalina.core.ApplicationFilterChain.doFilter(ApplicationFilterChain.java:140)\n\tat org.apache.tomcat.util.net.NioEndpoint$SocketProcessor.doRun(NioEndpoint.java:1769)\n\tat java.base/java.lang.Thread.run(Thread.java:1583)\nCaused by: java.net.SocketTimeoutException: Read timed out\n\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)\n\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:304)\n\tat java.base/java.net.Socket$SocketInputStream.read(Socket.java:1099)\n\tat com.acme.shop.orders.OrderService.execute(OrderService.java:152)\n\t... 9 common frames omitted\n"}"#]],
    );
}

#[test]
fn logfmt() {
    check(
        Dialect::Logfmt,
        &expect![[r#"
            ts=2026-03-01T10:00:00.123456789Z caller=logging.go:58 level=info transport=HTTP method=POST path="/orders/4711/pay?retry=1" status=201 took=12.345678ms bytes=256 peer=10.1.4.17:51322 client=mobile-0042 tenant=acme request_id=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23 trace_id=69a40f600102030405060708090a0b0c span_id=b7ad6b7169203331
            ts=2026-03-01T10:00:00.123456789Z caller=logging.go:58 level=error transport=HTTP method=POST path="/orders/4711/pay?retry=1" status=503 took=12.345678ms bytes=256 peer=10.1.4.17:51322 request_id=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23 trace_id=69a40f600102030405060708090a0b0c span_id=b7ad6b7169203331
            ts=2026-03-01T10:00:00.123456789Z caller=interceptor.go:41 level=info msg="finished call" protocol=grpc grpc.component=server grpc.service=shop.catalog.Catalog grpc.method=GetProduct grpc.method_type=unary peer.address=10.1.4.17:51322 grpc.code=OK grpc.time_ms=12.346 client=mobile-0042 tenant=acme request_id=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23 trace_id=69a40f600102030405060708090a0b0c span_id=b7ad6b7169203331
            ts=2026-03-01T10:00:00.123456789Z caller=interceptor.go:41 level=warn msg="finished call" protocol=grpc grpc.component=server grpc.service=shop.catalog.Catalog grpc.method=GetProduct grpc.method_type=unary peer.address=10.1.4.17:51322 grpc.code=DeadlineExceeded grpc.time_ms=12.346 client=mobile-0042 tenant=acme
            ts=2026-03-01T10:00:00.123456789Z caller=order_service.go:369 level=info component=OrderService msg="order accepted"
            ts=2026-03-01T10:00:00.123456789Z caller=order_service.go:369 level=info component=OrderService msg="order accepted" order=4711 state="to be paid" request_id=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23 trace_id=69a40f600102030405060708090a0b0c span_id=b7ad6b7169203331
            ts=2026-03-01T10:00:00.123456789Z caller=order_service.go:50 level=error component=OrderService msg="payment failed" order=4711 state="to be paid" err="UpstreamTimeout: payments: no answer within 2000 ms" request_id=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23 trace_id=69a40f600102030405060708090a0b0c span_id=b7ad6b7169203331"#]],
    );
}

#[test]
fn spring() {
    check(
        Dialect::Spring,
        &expect![[r#"
            2026-03-01T10:00:00.123Z  INFO 1 --- [orders] [io-8080-exec-10] [69a40f600102030405060708090a0b0c-b7ad6b7169203331] c.acme.shop.orders.web.OrdersController  : POST /orders/4711/pay?retry=1 201 in 12 ms
            2026-03-01T10:00:00.123Z ERROR 1 --- [orders] [io-8080-exec-10] [69a40f600102030405060708090a0b0c-b7ad6b7169203331] c.acme.shop.orders.web.OrdersController  : POST /orders/4711/pay?retry=1 503 in 12 ms
            2026-03-01T10:00:00.123Z  INFO 1 --- [orders] [io-8080-exec-10] [69a40f600102030405060708090a0b0c-b7ad6b7169203331] c.a.shop.orders.grpc.LoggingInterceptor  : rpc shop.catalog.Catalog/GetProduct grpc.code=OK in 12 ms
            2026-03-01T10:00:00.123Z  WARN 1 --- [orders] [io-8080-exec-21] [                                                 ] c.a.shop.orders.grpc.LoggingInterceptor  : rpc shop.catalog.Catalog/GetProduct grpc.code=DEADLINE_EXCEEDED in 12 ms
            2026-03-01T10:00:00.123Z  INFO 1 --- [orders] [io-8080-exec-21] [                                                 ] com.acme.shop.orders.OrderService        : order accepted
            2026-03-01T10:00:00.123Z  INFO 1 --- [orders] [io-8080-exec-10] [69a40f600102030405060708090a0b0c-b7ad6b7169203331] com.acme.shop.orders.OrderService        : order accepted [order=4711, state=to be paid]
            2026-03-01T10:00:00.123Z ERROR 1 --- [orders] [io-8080-exec-10] [69a40f600102030405060708090a0b0c-b7ad6b7169203331] com.acme.shop.orders.OrderService        : payment failed [order=4711, state=to be paid]

            com.acme.shop.orders.UpstreamTimeoutException: payments: no answer within 2000 ms
            	at com.acme.shop.orders.OrderService.execute(OrderService.java:242)
            	at com.acme.shop.orders.OrderService.handle(OrderService.java:185)
            	at com.acme.shop.orders.web.OrdersController.handle(OrdersController.java:186)
            	at java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:103)
            	at java.base/java.lang.reflect.Method.invoke(Method.java:580)
            	at org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:258)
            	at org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1089)
            	at org.apache.catalina.core.ApplicationFilterChain.doFilter(ApplicationFilterChain.java:140)
            	at org.apache.tomcat.util.net.NioEndpoint$SocketProcessor.doRun(NioEndpoint.java:1769)
            	at java.base/java.lang.Thread.run(Thread.java:1583)
            Caused by: java.net.SocketTimeoutException: Read timed out
            	at java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)
            	at java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:304)
            	at java.base/java.net.Socket$SocketInputStream.read(Socket.java:1099)
            	at com.acme.shop.orders.OrderService.execute(OrderService.java:152)
            	... 9 common frames omitted"#]],
    );
}

#[test]
fn nginx() {
    check(
        Dialect::Nginx,
        &expect![[r#"
        10.1.4.17 - mobile-0042 [01/Mar/2026:10:00:00 +0000] "POST /orders/4711/pay?retry=1 HTTP/1.1" 201 256 "-" "ShopApp/5.2 (iPhone; iOS 18.1)" rt=0.012 urt="0.009" rid=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23
        10.1.4.17 - - [01/Mar/2026:10:00:00 +0000] "POST /orders/4711/pay?retry=1 HTTP/1.1" 503 256 "-" "ShopApp/5.2 (iPhone; iOS 18.1)" rt=0.012 urt="-" rid=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23
        10.1.4.17 - mobile-0042 [01/Mar/2026:10:00:00 +0000] "POST /shop.catalog.Catalog/GetProduct HTTP/2.0" 200 256 "-" "grpc-node-js/1.12.0" rt=0.012 urt="0.009" rid=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23 grpc_status=0
        10.1.4.17 - mobile-0042 [01/Mar/2026:10:00:00 +0000] "POST /shop.catalog.Catalog/GetProduct HTTP/2.0" 200 256 "-" "grpc-node-js/1.12.0" rt=0.012 urt="0.009" rid=- grpc_status=4
        2026/03/01 10:00:00 [notice] 32#32: order accepted
        2026/03/01 10:00:00 [notice] 32#32: *245875 order accepted, order: "4711", state: "to be paid", request_id: "4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23"
        2026/03/01 10:00:00 [error] 32#32: *245875 payment failed (UpstreamTimeout: payments: no answer within 2000 ms), order: "4711", state: "to be paid", request_id: "4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23""#]],
    );
}

#[test]
fn envoy() {
    check(
        Dialect::Envoy,
        &expect![[r#"
        [2026-03-01T10:00:00.111Z] "POST /orders/4711/pay?retry=1 HTTP/1.1" 201 - 310 256 12 12 "10.1.4.17" "ShopApp/5.2 (iPhone; iOS 18.1)" "4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" "orders" "127.0.0.1:8080"
        [2026-03-01T10:00:00.111Z] "POST /orders/4711/pay?retry=1 HTTP/1.1" 503 UO 310 256 12 - "10.1.4.17" "ShopApp/5.2 (iPhone; iOS 18.1)" "4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" "orders" "-"
        [2026-03-01T10:00:00.111Z] "POST /shop.catalog.Catalog/GetProduct HTTP/2" 200 - 310 256 12 12 "10.1.4.17" "grpc-node-js/1.12.0" "4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" "orders" "127.0.0.1:8080"
        [2026-03-01T10:00:00.111Z] "POST /shop.catalog.Catalog/GetProduct HTTP/2" 200 - 310 256 12 12 "10.1.4.17" "grpc-node-js/1.12.0" "-" "orders" "127.0.0.1:8080"
        [2026-03-01 10:00:00.123][12][info][order_service] [source/common/order_service/order_service_impl.cc:369] order accepted
        [2026-03-01 10:00:00.123][12][info][order_service] [source/common/order_service/order_service_impl.cc:369] order accepted order=4711 state="to be paid" x-request-id=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23
        [2026-03-01 10:00:00.123][12][error][order_service] [source/common/order_service/order_service_impl.cc:150] payment failed: UpstreamTimeout: payments: no answer within 2000 ms order=4711 state="to be paid" x-request-id=4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23"#]],
    );
}

#[test]
fn klog() {
    check(
        Dialect::Klog,
        &expect![[r#"
            I0301 10:00:00.123456       1 httplog.go:134] "HTTP" verb="POST" URI="/orders/4711/pay?retry=1" latency="12.345678ms" userAgent="ShopApp/5.2 (iPhone; iOS 18.1)" audit-ID="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" traceID="69a40f600102030405060708090a0b0c" spanID="b7ad6b7169203331" srcIP="10.1.4.17:51322" client="mobile-0042" tenant="acme" resp=201
            E0301 10:00:00.123456       1 httplog.go:134] "HTTP" verb="POST" URI="/orders/4711/pay?retry=1" latency="12.345678ms" userAgent="ShopApp/5.2 (iPhone; iOS 18.1)" audit-ID="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" traceID="69a40f600102030405060708090a0b0c" spanID="b7ad6b7169203331" srcIP="10.1.4.17:51322" resp=503
            I0301 10:00:00.123456       1 interceptor.go:41] "finished call" protocol="grpc" grpc.component="server" grpc.service="shop.catalog.Catalog" grpc.method="GetProduct" grpc.method_type="unary" peer.address="10.1.4.17:51322" grpc.code="OK" grpc.time_ms="12.346" audit-ID="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" traceID="69a40f600102030405060708090a0b0c" spanID="b7ad6b7169203331" client="mobile-0042" tenant="acme"
            W0301 10:00:00.123456       1 interceptor.go:41] "finished call" protocol="grpc" grpc.component="server" grpc.service="shop.catalog.Catalog" grpc.method="GetProduct" grpc.method_type="unary" peer.address="10.1.4.17:51322" grpc.code="DeadlineExceeded" grpc.time_ms="12.346" client="mobile-0042" tenant="acme"
            I0301 10:00:00.123456       1 order_service.go:369] "order accepted" logger="OrderService"
            I0301 10:00:00.123456       1 order_service.go:369] "order accepted" logger="OrderService" order="4711" state="to be paid" audit-ID="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" traceID="69a40f600102030405060708090a0b0c" spanID="b7ad6b7169203331"
            E0301 10:00:00.123456       1 order_service.go:50] "payment failed" err="UpstreamTimeout: payments: no answer within 2000 ms" logger="OrderService" order="4711" state="to be paid" audit-ID="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" traceID="69a40f600102030405060708090a0b0c" spanID="b7ad6b7169203331""#]],
    );
}

#[test]
fn syslog() {
    check(
        Dialect::Syslog,
        &expect![[r#"
            <134>1 2026-03-01T10:00:00.123456Z orders-6d5f7c9b8-x2x4k orders 10892 ACCESS [request@32473 method="POST" path="/orders/4711/pay?retry=1" status="201" duration_ms="12.346" bytes="256" peer="10.1.4.17:51322" client="mobile-0042" tenant="acme" request_id="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" trace_id="69a40f600102030405060708090a0b0c" span_id="b7ad6b7169203331"] POST /orders/4711/pay?retry=1 201
            <131>1 2026-03-01T10:00:00.123456Z orders-6d5f7c9b8-x2x4k orders 10892 ACCESS [request@32473 method="POST" path="/orders/4711/pay?retry=1" status="503" duration_ms="12.346" bytes="256" peer="10.1.4.17:51322" request_id="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" trace_id="69a40f600102030405060708090a0b0c" span_id="b7ad6b7169203331"] POST /orders/4711/pay?retry=1 503
            <134>1 2026-03-01T10:00:00.123456Z orders-6d5f7c9b8-x2x4k orders 10892 ACCESS [request@32473 rpc.system="grpc" rpc.service="shop.catalog.Catalog" rpc.method="GetProduct" grpc.code="OK" duration_ms="12.346" bytes="256" peer="10.1.4.17:51322" client="mobile-0042" tenant="acme" request_id="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" trace_id="69a40f600102030405060708090a0b0c" span_id="b7ad6b7169203331"] shop.catalog.Catalog/GetProduct OK
            <132>1 2026-03-01T10:00:00.123456Z orders-6d5f7c9b8-x2x4k orders 10892 ACCESS [request@32473 rpc.system="grpc" rpc.service="shop.catalog.Catalog" rpc.method="GetProduct" grpc.code="DEADLINE_EXCEEDED" duration_ms="12.346" bytes="256" peer="10.1.4.17:51322" client="mobile-0042" tenant="acme"] shop.catalog.Catalog/GetProduct DEADLINE_EXCEEDED
            <134>1 2026-03-01T10:00:00.123456Z orders-6d5f7c9b8-x2x4k orders 10892 EVENT - OrderService: order accepted
            <134>1 2026-03-01T10:00:00.123456Z orders-6d5f7c9b8-x2x4k orders 10892 EVENT [event@32473 order="4711" state="to be paid" request_id="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" trace_id="69a40f600102030405060708090a0b0c" span_id="b7ad6b7169203331"] OrderService: order accepted
            <131>1 2026-03-01T10:00:00.123456Z orders-6d5f7c9b8-x2x4k orders 10892 EVENT [event@32473 order="4711" state="to be paid" error.type="UpstreamTimeout" error.message="payments: no answer within 2000 ms" request_id="4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23" trace_id="69a40f600102030405060708090a0b0c" span_id="b7ad6b7169203331"] OrderService: payment failed"#]],
    );
}

#[test]
fn plain() {
    check(
        Dialect::Plain,
        &expect![[r#"
        2026-03-01 10:00:00,123 PAY POST /orders/4711/pay?retry=1 finished in 12 ms rc=0
        2026-03-01 10:00:00,123 PAY POST /orders/4711/pay?retry=1 failed after 12 ms rc=8
        2026-03-01 10:00:00,123 RPC shop.catalog.Catalog/GetProduct finished in 12 ms rc=0
        2026-03-01 10:00:00,123 RPC shop.catalog.Catalog/GetProduct failed after 12 ms rc=8 DeadlineExceeded
        2026-03-01 10:00:00,123 order accepted
        2026-03-01 10:00:00,123 order accepted, order 4711 and state to be paid
        2026-03-01 10:00:00,123 ERROR payment failed, order 4711 and state to be paid (UpstreamTimeout: payments: no answer within 2000 ms)"#]],
    );
}
