import EngineKit
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import StreamKit
import TestSupport
import Testing
import WebSocketClient

/// What a provider's thread waits on, with a server of PyPI's websockets.
@Suite("Connections of a provider, by name", .enabled(if: PythonServer.obstacle == nil))
struct WebSocketWaitTests {
    /// An engine that notes what happens.
    private struct Probe: StreamEngine {
        struct Counts: StreamCounters {}

        struct Status: StreamStatus {
            let state = StreamState.ready
            let failures = 0
            let reason = ""
            let feeds: [ShownFeed] = []
            let counters = Counts()
        }

        typealias Output = StreamOutput<Never, Never>

        var heard: [String] = []
        let nextDue = MonotonicTime.never
        let status = Status()

        mutating func opened(_ number: UInt32, _ now: Moment, into out: inout Output) {
            heard.append("\(number) opened")
        }

        mutating func received(
            _ bytes: RawSpan, isText: Bool, on number: UInt32, _ now: Moment,
            into out: inout Output
        ) {
            heard.append("\(number) \(String(decoding: bytes.array, as: UTF8.self))")
        }

        mutating func ended(
            _ number: UInt32, _ why: String, _ now: Moment, into out: inout Output
        ) {
            heard.append("\(number) ended: \(why)")
        }

        mutating func follow(
            begun: [BegunInstrument], ended: [UInt32], gaps: [OpenGap], _ now: Moment,
            into out: inout Output
        ) {}

        mutating func timePassed(_ now: Moment, into out: inout Output) {}
        mutating func stop(_ now: Moment, into out: inout Output) {}
        func limits(_ now: MonotonicTime) -> [ProviderLimit] { [] }
    }

    private static let script =
        "\(ServerPrograms.checkout)/Tests/WebSocketClientTests/foreign_server.py"

    /// A thread's part of the loop.
    private final class Loop {
        private let port: UInt16
        private let wait: WebSocketWait<Probe>
        private(set) var engine = Probe()
        private var out = Probe.Output()
        var now = Moment(wall: .undefined, monotonic: MonotonicTime(nanoseconds: 0))

        init(_ port: UInt16, _ resolve: @escaping NameLookup.Resolving) throws {
            self.port = port
            wait = try WebSocketWait(WebSocketConfiguration(), resolve: resolve)
        }

        func open(_ number: UInt32, _ host: String) throws {
            let url = try #require(WebSocketURL("ws://\(host):\(port)/echo"))
            wait.carryOut(.open(number, url), for: &engine, now, &out)
        }

        func send(_ text: String, _ number: UInt32) {
            wait.carryOut(.send(number, text), for: &engine, now, &out)
        }

        func turn() {
            wait.wait(.milliseconds(50))
            _ = wait.take(into: &engine, now, &out)
        }

        /// Whether this is heard in time.
        func hears(_ text: String) -> Bool {
            eventually {
                turn()
                return engine.heard.last?.hasPrefix(text) == true
            }
        }
    }

    private static func loopback(_ last: Int, _ port: UInt16) throws(LookupFailure) -> RemoteAddress
    {
        let all = try RemoteAddress.all(host: "127.0.0.\(last)", port: port, isNumeric: true)
        guard let address = all.first else { throw LookupFailure(description: "no address") }
        return address
    }

    @Test("a look-up that hangs holds up no other connection, and is over some time")
    func hanging() throws {
        let server = try PythonServer(Self.script)
        let gate = Mailbox<Bool>(capacity: 1)
        let loop = try Loop(server.port()) { _, port throws(LookupFailure) in
            var opened: [Bool] = []
            _ = gate.receive(into: &opened, max: 1, timeout: .seconds(60))
            return [try Self.loopback(1, port)]
        }
        try loop.open(1, "127.0.0.1")
        #expect(loop.hears("1 opened"))
        try loop.open(2, "exchange.invalid")
        loop.send("a", 1)
        #expect(loop.hears("1 a"))
        #expect(loop.engine.heard.count == 2)
        // The attempt ends, and the next one takes what the same look-up finds.
        loop.now.monotonic = MonotonicTime(nanoseconds: 5_000_000_000)
        #expect(loop.hears("2 ended: cannot connect to exchange.invalid"))
        try loop.open(3, "exchange.invalid")
        loop.send("b", 1)
        #expect(loop.hears("1 b"))
        _ = gate.send(true)
        #expect(loop.hears("3 opened"))
    }

    @Test("an address that does not answer leaves the next one, and a name without one is an end")
    func addresses() throws {
        let server = try PythonServer(Self.script)
        let loop = try Loop(server.port()) { host, port throws(LookupFailure) in
            guard host == "two.invalid" else { throw LookupFailure(description: "no such name") }
            return [try Self.loopback(9, port), try Self.loopback(1, port)]
        }
        try loop.open(1, "two.invalid")
        #expect(loop.hears("1 opened"))
        try loop.open(2, "none.invalid")
        #expect(loop.hears("2 ended: cannot connect to none.invalid"))
        #expect(loop.engine.heard.count == 2)
    }
}
