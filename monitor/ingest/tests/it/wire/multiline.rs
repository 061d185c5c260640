use expect_test::{Expect, expect};
use monitor_ingest::multiline::{Joined, Joiner};
use proptest::prelude::*;

fn join<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Joined<usize>> {
    let mut joiner = Joiner::default();
    let mut records = Vec::new();
    for (number, line) in lines.into_iter().enumerate() {
        records.extend(joiner.push(line, number));
    }
    records.extend(joiner.flush());
    records
}

/// Prints each record's first line flush left, and what joined it behind a bar.
fn check(text: &str, expected: Expect) {
    let mut printed = String::new();
    for record in join(text.lines()) {
        printed.push_str(&record.text.replace('\n', "\n| "));
        printed.push('\n');
    }
    expected.assert_eq(&printed.replace(" \n", "\n").replace('\t', "→"));
}

#[test]
fn java_traces_join_the_record_that_logged_them() {
    check(
        "\
2026-11-21 10:05:00.123 ERROR [pay,4bf92f3577b34da6a3ce929d0e0e4736] c.s.Pay : payment failed
java.lang.IllegalStateException: gateway closed
\tat com.shop.Pay.charge(Pay.java:42)
\t... 12 common frames omitted
Caused by: java.io.IOException: connection reset
\tat java.base/sun.nio.ch.Net.read(Net.java:99)
\tSuppressed: java.lang.Exception: close
... 12 more
2026-11-21 10:05:01.000  INFO [pay,] c.s.Pay : next
Exception in thread \"main\" java.lang.NullPointerException
\tat com.shop.Main.main(Main.java:3)",
        expect![[r#"
            2026-11-21 10:05:00.123 ERROR [pay,4bf92f3577b34da6a3ce929d0e0e4736] c.s.Pay : payment failed
            | java.lang.IllegalStateException: gateway closed
            | →at com.shop.Pay.charge(Pay.java:42)
            | →... 12 common frames omitted
            | Caused by: java.io.IOException: connection reset
            | →at java.base/sun.nio.ch.Net.read(Net.java:99)
            | →Suppressed: java.lang.Exception: close
            | ... 12 more
            2026-11-21 10:05:01.000  INFO [pay,] c.s.Pay : next
            Exception in thread "main" java.lang.NullPointerException
            | →at com.shop.Main.main(Main.java:3)
        "#]],
    );
}

#[test]
fn python_tracebacks_end_with_their_exception() {
    check(
        "\
ERROR:shop.cart:cannot add item
Traceback (most recent call last):
  File \"/app/cart.py\", line 7, in add
    return items[key]
KeyError: 'sku-9'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/app/cart.py\", line 9, in add
    raise OutOfStock(key)
cart.OutOfStock: sku-9
Listening on 8080
INFO:shop.cart:ready",
        expect![[r#"
            ERROR:shop.cart:cannot add item
            | Traceback (most recent call last):
            |   File "/app/cart.py", line 7, in add
            |     return items[key]
            | KeyError: 'sku-9'
            |
            | During handling of the above exception, another exception occurred:
            |
            | Traceback (most recent call last):
            |   File "/app/cart.py", line 9, in add
            |     raise OutOfStock(key)
            | cart.OutOfStock: sku-9
            Listening on 8080
            INFO:shop.cart:ready
        "#]],
    );
}

#[test]
fn go_panics_keep_all_goroutines() {
    check(
        "\
2026/11/21 10:05:00 http: panic serving 10.0.0.7:5312: runtime error: index out of range [3]
goroutine 19 [running]:
net/http.(*conn).serve.func1(0xc000096000)
\t/usr/local/go/src/net/http/server.go:1801 +0x147
panic(0x123, 0x456)
\t/usr/local/go/src/runtime/panic.go:975 +0x3e9
main.handler(0x7f, 0xc0)
\t/app/main.go:12 +0x1d
created by net/http.(*Server).Serve
\t/usr/local/go/src/net/http/server.go:2969 +0x36c

goroutine 1 [IO wait]:
internal/poll.runtime_pollWait(0x7f2, 0x72)
\t/usr/local/go/src/runtime/netpoll.go:222 +0x55
I1121 10:05:01.000000       1 server.go:12] serving
panic: assignment to entry in nil map

goroutine 1 [running]:
main.main()
\t/app/main.go:5 +0x3b
exit status 2",
        expect![[r#"
            2026/11/21 10:05:00 http: panic serving 10.0.0.7:5312: runtime error: index out of range [3]
            | goroutine 19 [running]:
            | net/http.(*conn).serve.func1(0xc000096000)
            | →/usr/local/go/src/net/http/server.go:1801 +0x147
            | panic(0x123, 0x456)
            | →/usr/local/go/src/runtime/panic.go:975 +0x3e9
            | main.handler(0x7f, 0xc0)
            | →/app/main.go:12 +0x1d
            | created by net/http.(*Server).Serve
            | →/usr/local/go/src/net/http/server.go:2969 +0x36c
            |
            | goroutine 1 [IO wait]:
            | internal/poll.runtime_pollWait(0x7f2, 0x72)
            | →/usr/local/go/src/runtime/netpoll.go:222 +0x55
            I1121 10:05:01.000000       1 server.go:12] serving
            panic: assignment to entry in nil map
            |
            | goroutine 1 [running]:
            | main.main()
            | →/app/main.go:5 +0x3b
            | exit status 2
        "#]],
    );
}

#[test]
fn dotnet_node_ruby_php_and_rust() {
    check(
        "\
fail: Shop.Orders[0]
      Order 17 failed
      System.InvalidOperationException: closed
       ---> System.IO.IOException: reset
         at Shop.Orders.Save() in /src/Orders.cs:line 12
         --- End of inner exception stack trace ---
info: Shop.Orders[1]
      Saved
TypeError: Cannot read properties of undefined (reading 'sku')
    at add (/app/cart.js:10:5) {
  code: 'E_SKU'
}
[2026-11-21T10:05:00] WARN  cart: slow
app/cart.rb:3:in 'add': out of stock (RuntimeError)
\tfrom app/cart.rb:9:in '<main>'
app/cart.rb:11:in 'block'
PHP Fatal error:  Uncaught Exception: closed in /app/index.php:3
Stack trace:
#0 /app/index.php(7): run()
#1 {main}
  thrown in /app/index.php on line 3
thread 'main' panicked at src/main.rs:2:5:
index out of bounds: the len is 3 but the index is 7
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:645:5
note: Some details are omitted
done",
        expect![[r#"
            fail: Shop.Orders[0]
            |       Order 17 failed
            |       System.InvalidOperationException: closed
            |        ---> System.IO.IOException: reset
            |          at Shop.Orders.Save() in /src/Orders.cs:line 12
            |          --- End of inner exception stack trace ---
            info: Shop.Orders[1]
            |       Saved
            TypeError: Cannot read properties of undefined (reading 'sku')
            |     at add (/app/cart.js:10:5) {
            |   code: 'E_SKU'
            | }
            [2026-11-21T10:05:00] WARN  cart: slow
            app/cart.rb:3:in 'add': out of stock (RuntimeError)
            | →from app/cart.rb:9:in '<main>'
            | app/cart.rb:11:in 'block'
            PHP Fatal error:  Uncaught Exception: closed in /app/index.php:3
            | Stack trace:
            | #0 /app/index.php(7): run()
            | #1 {main}
            |   thrown in /app/index.php on line 3
            thread 'main' panicked at src/main.rs:2:5:
            | index out of bounds: the len is 3 but the index is 7
            | stack backtrace:
            |    0: rust_begin_unwind
            |              at /rustc/abc/library/std/src/panicking.rs:645:5
            | note: Some details are omitted
            done
        "#]],
    );
}

#[test]
fn what_begins_like_a_record_is_one() {
    check(
        "\
{\"level\":\"info\",\"msg\":\"a\"}
{\"level\":\"info\",\"msg\":\"b\"}
    indented after a complete object
10.0.0.7 - - [21/Nov/2026:10:05:00 +0000] \"GET /carts HTTP/1.1\" 200 12
10.0.0.8 - bob [21/Nov/2026:10:05:00 +0000] \"GET /carts HTTP/1.1\" 200 12
<34>1 2026-11-21T10:05:00Z host app - - - x
time=2026-11-21T10:05:00Z level=info msg=x

Nov 21 10:05:00 host app: y
10:05:00.123 INFO c.s.Cart#7 z
1795255500.123 w
 2026-11-21 10:05:00 with a blank before it
{
  \"pretty\": {
    \"time\": \"2026-11-21T10:05:00Z\"
  }
}",
        expect![[r#"
            {"level":"info","msg":"a"}
            {"level":"info","msg":"b"}
                indented after a complete object
            10.0.0.7 - - [21/Nov/2026:10:05:00 +0000] "GET /carts HTTP/1.1" 200 12
            10.0.0.8 - bob [21/Nov/2026:10:05:00 +0000] "GET /carts HTTP/1.1" 200 12
            <34>1 2026-11-21T10:05:00Z host app - - - x
            time=2026-11-21T10:05:00Z level=info msg=x
            Nov 21 10:05:00 host app: y
            10:05:00.123 INFO c.s.Cart#7 z
            1795255500.123 w
             2026-11-21 10:05:00 with a blank before it
            {
            |   "pretty": {
            |     "time": "2026-11-21T10:05:00Z"
            |   }
            | }
        "#]],
    );
}

#[test]
fn an_exception_after_a_calm_record_stands_alone() {
    check(
        "\
2026-11-21 10:05:00 INFO started
Error: listen EADDRINUSE
    at Server.listen (net.js:1:2)",
        expect![[r#"
            2026-11-21 10:05:00 INFO started
            Error: listen EADDRINUSE
            |     at Server.listen (net.js:1:2)
        "#]],
    );
}

#[test]
fn a_runaway_trace_becomes_several_records() {
    let frame = "\tat com.shop.Deep.call(Deep.java:1)";
    let lines =
        std::iter::once("java.lang.StackOverflowError").chain(std::iter::repeat_n(frame, 1200));
    let records = join(lines);
    let sizes: Vec<usize> = records.iter().map(|it| it.text.lines().count()).collect();
    assert_eq!(sizes, [500, 500, 201]);
    assert_eq!((records[1].first, records[1].last), (500, 999));
    let long = "\t".to_owned() + &"x".repeat(100 << 10);
    let records = join(["ERROR dump", &long, &long, &long, &long]);
    assert!(records.iter().all(|it| it.text.len() <= 256 << 10));
}

proptest! {
    /// Blank lines apart, the records' lines are the lines.
    #[test]
    fn no_line_is_lost_or_moved(lines in prop::collection::vec(
        prop_oneof![
            Just("2026-11-21 10:05:00 ERROR x".to_owned()),
            Just("\tat x".to_owned()),
            Just("java.lang.Error: y".to_owned()),
            Just("Traceback (most recent call last):".to_owned()),
            Just("goroutine 1 [running]:".to_owned()),
            Just("main.main()".to_owned()),
            Just(String::new()),
            Just("  ".to_owned()),
            Just("{".to_owned()),
            Just("{\"a\":1}".to_owned()),
            "\\PC{0,20}",
        ],
        0..60,
    )) {
        let records = join(lines.iter().map(String::as_str));
        let kept: Vec<&str> = records
            .iter()
            .flat_map(|record| record.text.split('\n'))
            .filter(|line| !line.trim().is_empty())
            .collect();
        let given: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .filter(|line| !line.trim().is_empty())
            .collect();
        prop_assert_eq!(kept, given);
        prop_assert!(records.windows(2).all(|pair| pair[0].last < pair[1].first));
    }
}
