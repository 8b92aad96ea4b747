import Foundation
import Synchronization
import TestSupport
import Testing

@testable import HTTPClient

/// What a client bounds, how requests are cancelled, and how it ends.
@Suite("Limits of requests", .enabled(if: WebServer.obstacle == nil))
struct HTTPLimitTests {
    @Test("only so many requests have a place, until their outcome is taken or they are cancelled")
    func places() throws {
        let server = try WebServer()
        var configuration = HTTPConfiguration()
        configuration.requestsMax = 3
        let client = try HTTPClient(configuration) {}
        let quick = HTTPRequest(try server.url("echo"))
        let slow = HTTPRequest(try server.url("wait", port: "raw_port"))
        _ = try client.request(quick)
        let id = try client.request(slow)
        _ = try client.request(quick)
        #expect(throws: HTTPError.tooMany(requestsMax: 3)) { _ = try client.request(quick) }
        client.cancel(id)
        _ = try client.request(quick)
        #expect(client.outcomes(3).count == 3)
        #expect(client.requestCount == 0)
    }

    @Test("only so many requests to one server run; others wait, and their time runs, too")
    func perServer() throws {
        let server = try WebServer()
        var configuration = HTTPConfiguration()
        configuration.requestTimeout = .seconds(2)
        let client = try HTTPClient(configuration) {}
        for _ in 0..<5 {
            _ = try client.request(HTTPRequest(server.url("silent", port: "raw_port")))
        }
        // Another server is not affected.
        let id = try client.request(HTTPRequest(server.url("echo")))
        var outcomes = client.outcomes(1)
        #expect(outcomes.map(\.id) == [id])
        outcomes = client.outcomes(5)
        let peer = server.peer("raw_port")
        #expect(outcomes.map(\.result.error) == Array(repeating: .timedOut(peer: peer), count: 5))
    }

    @Test("many requests all have an answer, over at most four connections")
    func many() throws {
        let client = try HTTPClient(HTTPConfiguration()) {}
        let request = HTTPRequest(try WebServer().url("echo"))
        var connections: Set<Int> = []
        var asked = 0
        var answered = 0
        while answered < 2_000 {
            while asked < 2_000, client.requestCount < 32 {
                _ = try client.request(request)
                asked += 1
            }
            let outcomes = client.outcomes(1)
            try #require(!outcomes.isEmpty)
            for outcome in outcomes {
                let echo: WebServer.Echo = try outcome.result.get().decoded()
                connections.insert(echo.connection)
            }
            answered += outcomes.count
        }
        #expect(answered == 2_000 && connections.count <= 4)
    }

    @Test("a cancelled request has no outcome: one that waits, one that runs, one that is over")
    func cancelled() throws {
        let server = try WebServer()
        var configuration = HTTPConfiguration()
        configuration.requestsPerServerMax = 1
        let called = DispatchSemaphore(value: 0)
        let client = try HTTPClient(configuration) { called.signal() }
        let running = try client.request(HTTPRequest(server.url("silent", port: "raw_port")))
        let waiting = try client.request(HTTPRequest(server.url("silent", port: "raw_port")))
        let over = try client.request(HTTPRequest(server.url("echo")))
        #expect(called.wait(timeout: .now() + 60) == .success)
        let last = try client.request(HTTPRequest(server.url("gzip")))
        #expect(called.wait(timeout: .now() + 60) == .success)
        for id in [running, waiting, over, over] { client.cancel(id) }
        #expect(client.requestCount == 1)
        #expect(client.take().map(\.id) == [last])
        // The place at the server is free again.
        let next = try client.request(HTTPRequest(server.url("early", port: "raw_port")))
        #expect(client.outcomes(1).map(\.id) == [next])
    }

    @Test("the callback says that there is something to take, also about what expired")
    func callback() throws {
        let server = try WebServer()
        let called = DispatchSemaphore(value: 0)
        let client = try HTTPClient(HTTPConfiguration()) { called.signal() }
        _ = try client.request(HTTPRequest(server.url("echo")))
        #expect(called.wait(timeout: .now() + 60) == .success && client.take().count == 1)
        for timeout in [Duration.zero, .seconds(-1), .nanoseconds(Int64.min)] {
            let request = HTTPRequest(try server.url("echo"), timeout: timeout)
            _ = try client.request(request)
            #expect(called.wait(timeout: .now() + 60) == .success)
            #expect(client.take().map(\.result.error) == [.timedOut(peer: server.peer())])
        }
    }

    @Test("a client that ends leaves its requests, and nobody is called afterwards")
    func ending() throws {
        let server = try WebServer()
        for round in 0..<20 {
            // Only the callback holds it, and only the client's thread holds the callback.
            let probe = try leave(server, waits: round.isMultiple(of: 2))
            #expect(probe.object == nil)
        }
        let client = try HTTPClient(HTTPConfiguration()) {}
        #expect(
            try eventually {
                let answer = try client.answer(HTTPRequest(server.url("state"))).get()
                let state: WebServer.State = try answer.decoded()
                return state.gone.count >= 20 && !state.gone.contains(false)
            })
    }

    private final class Probe: Sendable {
        let calls = Mutex(0)
    }

    private struct WeakProbe {
        weak var object: Probe?
    }

    /// Begins requests of all kinds, and lets go of their client while they run.
    private func leave(_ server: WebServer, waits: Bool) throws -> WeakProbe {
        let probe = Probe()
        let client = try HTTPClient(HTTPConfiguration()) { probe.calls.withLock { $0 += 1 } }
        for (path, port) in [("wait", "raw_port"), ("echo", "port"), ("stream/1000", "port")] {
            for _ in 0..<4 { _ = try client.request(HTTPRequest(server.url(path, port: port))) }
        }
        if waits {
            #expect(!client.outcomes(1).isEmpty)
            // The outcome may be seen before the call that says so.
            #expect(eventually { probe.calls.withLock { $0 } > 0 })
        }
        return WeakProbe(object: probe)
    }

    @Test("a callback may let go of the last client")
    func releasedInside() throws {
        let server = try WebServer()
        let kept = Mutex<HTTPClient?>(nil)
        let released = DispatchSemaphore(value: 0)
        let client = try HTTPClient(HTTPConfiguration()) {
            kept.withLock { $0 = nil }
            released.signal()
        }
        kept.withLock { $0 = client }
        try start(client, server)
        #expect(released.wait(timeout: .now() + 60) == .success)
    }

    /// Takes the client over.
    private func start(_ client: consuming HTTPClient, _ server: WebServer) throws {
        _ = try client.request(HTTPRequest(server.url("echo")))
    }

    @Test("settings that cannot work are refused")
    func settings() throws {
        var configuration = HTTPConfiguration()
        configuration.caPath = "/nonexistent/file"
        #expect(throws: HTTPError.self) { _ = try HTTPClient(configuration) {} }
        for proxy in ["no port", "no-port", "user@a:1", ":1", "a:b", "a:+1", "http://a:1", "[::1]"]
        {
            configuration = HTTPConfiguration()
            configuration.proxy = proxy
            #expect(throws: HTTPError.configuration("the proxy is no name:port")) {
                _ = try HTTPClient(configuration) {}
            }
        }
        for name in ["", "a\r\nhost: b", "é", " a", "a "] {
            configuration = HTTPConfiguration()
            configuration.userAgent = name
            #expect(throws: HTTPError.self) { _ = try HTTPClient(configuration) {} }
        }
        let counts: [WritableKeyPath<HTTPConfiguration, Int>] = [
            \.requestsMax, \.requestsPerServerMax, \.connectionsKeptMax, \.bodyBytesMax,
            \.headerBytesMax, \.slowBytesPerSecond,
        ]
        for path in counts {
            for count in [0, -1, Int.max] {
                configuration = HTTPConfiguration()
                configuration[keyPath: path] = count
                #expect(throws: HTTPError.self) { _ = try HTTPClient(configuration) {} }
            }
        }
        configuration = HTTPConfiguration()
        configuration.slowTimeout = .zero
        #expect(throws: HTTPError.configuration("slowTimeout must be above 0")) {
            _ = try HTTPClient(configuration) {}
        }
    }

    @Test("who makes a client takes the same signals as before")
    func signals() throws {
        func blocked() -> [Int32] {
            var mask = sigset_t()
            unsafe pthread_sigmask(SIG_BLOCK, nil, &mask)
            return (1...31).filter { unsafe sigismember(&mask, $0) == 1 }
        }
        // Another test may have made a client on this thread.
        var (none, before) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        _ = try HTTPClient(HTTPConfiguration()) {}
        #expect(blocked().isEmpty)
    }

    @Test("times are cut to what the library counts")
    func times() {
        #expect(Duration.nanoseconds(1).timeoutMilliseconds == 1)
        #expect(Duration.zero.timeoutMilliseconds == 1)
        #expect(Duration.seconds(-5).timeoutMilliseconds == 1)
        #expect(Duration.milliseconds(1_500).timeoutMilliseconds == 1_500)
        #expect(Duration.seconds(Int64.max).timeoutMilliseconds == 86_400_000)
    }
}
