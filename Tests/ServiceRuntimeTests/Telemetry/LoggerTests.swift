import Primitives
import Synchronization
import TestSupport
import Testing

@testable import ServiceRuntime

/// A clock that the test moves.
final class TestClock: Sendable {
    private let time = Mutex(Timestamp(nanoseconds: 1_700_000_000_123_456_789))

    var now: @Sendable () -> Timestamp {
        { [self] in time.withLock { $0 } }
    }

    func advance(seconds: Int64) {
        time.withLock { $0 = $0.advanced(byNanoseconds: seconds * 1_000_000_000) }
    }
}

@Suite struct LoggerTests {
    let capture = CapturedLog()
    let clock = TestClock()

    func logger(_ level: LogLevel = .info, _ format: LogFormat = .json) -> Logger {
        Logger(
            service: "store-writer", level: level, format: format, sink: capture.sink,
            now: clock.now)
    }

    func lastLine() throws -> JSONValue {
        try JSONValue.parse(Array(capture.lines.last?.utf8 ?? "".utf8))
    }

    @Test("a JSON line has time, level, service, event, message and the fields, in that order")
    func json() {
        logger().log(
            .warning, "writer.batch.failed", "the database said \"no\"\nand more",
            [
                ("batch.rows", 200), ("partition", LogValue(7 as UInt8)), ("share", 0.25),
                ("retryable", true), ("sql.state", "40001"), ("huge", LogValue(UInt64.max)),
                ("never", LogValue(Double.nan)), ("wide", LogValue(Int128(UInt64.max) + 1)),
                ("wait_seconds", LogValue(seconds: .milliseconds(1_500))),
            ])
        #expect(
            capture.lines == [
                #"{"ts":"2023-11-14T22:13:20.123456789Z","level":"warning","#
                    + #""service":"store-writer","event":"writer.batch.failed","#
                    + #""message":"the database said \"no\"\nand more","batch.rows":200,"#
                    + #""partition":7,"share":0.25,"retryable":true,"sql.state":"40001","#
                    + #""huge":18446744073709551615,"never":null,"#
                    + #""wide":"18446744073709551616","wait_seconds":1.5}"#
            ])
    }

    @Test("a text line shows the time of day, fields as name=value, and no control character")
    func text() {
        let text = logger(.trace, .text(color: false))
        text.log(.info, "service.started", "ready", [("port", 8_500), ("name", "a b"), ("no", "")])
        text.log(.error, "peer.said", "line\none\u{1b}[2J\u{7f}\u{85}\ttab\r", [("ok", false)])
        #expect(
            capture.lines == [
                #"22:13:20.123456 INFO    service.started  ready  port=8500  name="a b"  no="""#,
                #"22:13:20.123456 ERROR   peer.said  "#
                    + #"line\none\u{1b}[2J\u{7f}\u{85}\ttab\r  ok=false"#,
            ])
    }

    @Test("colour wraps the level and is off again at the end", arguments: LogLevel.allCases)
    func color(level: LogLevel) throws {
        logger(.trace, .text(color: true)).log(level, "a.b", "c")
        let line = try #require(capture.lines.last)
        #expect(line.contains("m\(level.name.uppercased())\u{1b}[0m"))
        #expect(line.hasSuffix("\u{1b}[1ma.b\u{1b}[0m  c"))
    }

    @Test("lines below the level are left out", arguments: LogLevel.allCases)
    func levels(minimum: LogLevel) {
        let filtered = logger(minimum)
        for level in LogLevel.allCases { filtered.log(level, "a.\(level.name)", "x") }
        #expect(capture.lines.count == LogLevel.allCases.filter { $0 >= minimum }.count)
        #expect(LogLevel(named: minimum.name) == minimum)
        #expect(LogLevel(named: "loud") == nil)
    }

    @Test(
        "auto is coloured text on a terminal and JSON elsewhere",
        arguments: [
            ("auto", true, LogFormat.text(color: true)), ("auto", false, .json),
            ("text", true, .text(color: true)), ("text", false, .text(color: false)),
            ("json", true, .json), ("xml", true, nil),
        ])
    func formats(name: String, isTerminal: Bool, expected: LogFormat?) {
        #expect(LogFormat(named: name, isTerminal: isTerminal) == expected)
    }

    @Test("a field cannot take the place of a part of the line", arguments: LogLine.reserved)
    func reserved(name: String) throws {
        logger().log(.info, "a.b", "c", [(name, "mine")])
        let line = try lastLine()
        #expect(line["field.\(name)"]?.string == "mine")
        #expect(line.members?.count(where: { $0.key == name }) == 1)
    }

    @Test(
        "no line is longer than one atomic write, and JSON stays JSON",
        arguments: ["x", "\u{1}", "\"", "\u{1F680}", "\u{85}", "\u{7f}"],
        [LogFormat.json, .text(color: true)])
    func lengths(piece: String, format: LogFormat) throws {
        let long = String(repeating: piece, count: 5_000)
        logger(.info, format).log(
            .info, long, long, (0..<200).map { ("field.\($0)", LogValue(long)) })
        let line = try #require(capture.lines.last)
        #expect(line.utf8.count < LogLine.bytesMax)
        #expect(line.contains("bytes more)"))
        guard format == .json else { return }
        let parsed = try lastLine()
        let omitted = try #require(parsed["log.fields_omitted"]?.int)
        #expect((parsed.members?.count ?? 0) == 5 + 200 - omitted + 1)
    }

    @Test("a name of any length does not make a line too long")
    func longFieldName() {
        let name = String(repeating: "n", count: 10_000)
        logger().log(.info, "a.b", "c", [("first", 1), (name, 2), ("last", 3)])
        #expect(capture.lines.last?.contains(#""first":1,"log.fields_omitted":2"#) == true)
    }
}

@Suite struct RepeatLimitTests {
    let capture = CapturedLog()
    let clock = TestClock()

    func logger(_ level: LogLevel = .info) -> Logger {
        Logger(
            service: "s", level: level, format: .json, sink: capture.sink, now: clock.now)
    }

    func suppressions() -> [String] {
        capture.lines.filter { $0.contains("log.suppressed") }
    }

    @Test("a loop writes a burst; what it lost is said some seconds later")
    func flood() {
        let logger = logger()
        let burst = Int(RepeatLimit.burstLinesMax)
        for attempt in 0..<1_000 {
            logger.log(.warning, "nats.connect.failed", "attempt \(attempt)")
        }
        #expect(capture.lines.count == burst)
        #expect(logger.suppressedCount == UInt64(1_000 - burst))
        clock.advance(seconds: RepeatLimit.reportSeconds)
        logger.log(.info, "other.event", "anything that is logged brings the report")
        #expect(capture.lines.count == burst + 2)
        #expect(
            suppressions().first?.contains(
                #""level":"warning","service":"s","event":"log.suppressed""#) == true)
        #expect(suppressions().first?.contains(#""suppressed.lines":900}"#) == true)
        logger.log(.warning, "nats.connect.failed", "again")
        logger.flush()
        #expect(suppressions().count == 1, "a count is said once")
        #expect(capture.lines.last?.contains("again") == true)
    }

    @Test("a loop that goes on writes one line per second, and a count every ten")
    func endlessLoop() throws {
        let logger = logger()
        for _ in 0..<1_000 { logger.log(.warning, "a.b", "x") }
        clock.advance(seconds: 1)
        capture.removeAll()
        for _ in 0..<60 {
            for _ in 0..<50 { logger.log(.warning, "a.b", "x") }
            clock.advance(seconds: 1)
        }
        #expect(suppressions().count == 6)
        #expect(capture.lines.count == 60 + suppressions().count)
        logger.flush()
        let counts = try suppressions().compactMap {
            try JSONValue.parse($0)["suppressed.lines"]?.int
        }
        #expect(counts.reduce(0, +) == 900 + 60 * 49, "every line is written or counted")
    }

    @Test("after a silence there is a whole burst again, and no more than that")
    func recovery() {
        let logger = logger()
        for _ in 0..<1_000 { logger.log(.info, "a", "x") }
        clock.advance(seconds: 1_000_000)
        capture.removeAll()
        for _ in 0..<1_000 { logger.log(.info, "a", "x") }
        #expect(capture.lines.count == Int(RepeatLimit.burstLinesMax) + suppressions().count)
    }

    @Test("one event's flood holds back no other event, nor the same event at another level")
    func others() {
        let logger = logger()
        for _ in 0..<200 { logger.log(.warning, "a.b", "x") }
        capture.removeAll()
        logger.log(.error, "a.b", "x")
        logger.log(.warning, "a.c", "x")
        #expect(capture.lines.count == 2)
    }

    @Test("debug and trace are never held back")
    func debug() {
        let logger = logger(.trace)
        for _ in 0..<300 { logger.log(.debug, "a.b", "x") }
        for _ in 0..<300 { logger.log(.trace, "a.b", "x") }
        #expect(capture.lines.count == 600)
    }

    @Test("flush says what is held back, due or not")
    func flush() {
        let logger = logger()
        for _ in 0..<130 { logger.log(.info, "b", "x") }
        for _ in 0..<125 { logger.log(.info, "a", "x") }
        logger.flush()
        #expect(suppressions().map { $0.contains(#""suppressed.event":"a""#) } == [true, false])
        logger.flush()
        #expect(suppressions().count == 2)
    }

    @Test("a clock that is set back neither opens the gate nor holds up the count")
    func clockSetBack() {
        let logger = logger()
        for _ in 0..<130 { logger.log(.info, "a", "x") }
        clock.advance(seconds: -3_600)
        for _ in 0..<30 { logger.log(.info, "a", "x") }
        #expect(capture.lines.count == Int(RepeatLimit.burstLinesMax))
        clock.advance(seconds: RepeatLimit.reportSeconds)
        logger.log(.info, "a", "x")
        #expect(suppressions().first?.contains(#""suppressed.lines":60}"#) == true)
    }

    @Test("event names beyond the limit share one window")
    func manyEvents() {
        var limit = RepeatLimit()
        let now = Timestamp(nanoseconds: 0)
        for number in 0..<RepeatLimit.eventsMax {
            let isAdmitted = limit.admits("event.\(number)", .info, at: now)
            #expect(isAdmitted)
        }
        let admitted = (0..<150).filter { limit.admits("more.\($0)", .info, at: now) }
        #expect(admitted.count == Int(RepeatLimit.burstLinesMax))
        let due = limit.due(at: now, all: true)
        #expect(due == [.init(event: "(other events)", level: .info, lines: 50)])
    }
}
