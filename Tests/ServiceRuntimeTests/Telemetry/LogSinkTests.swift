import Foundation
import Primitives
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite struct LogSinkTests {
    /// A pipe whose reading end belongs to the test.
    final class Pipe {
        let reader: Int32
        let writer: Int32

        init() throws {
            var ends: [Int32] = [-1, -1]
            // Safety: pipe fills the two descriptors.
            let result = unsafe pipe(&ends)
            try #require(result == 0)
            (reader, writer) = (ends[0], ends[1])
        }

        deinit {
            close(reader)
            close(writer)
        }

        func read(upTo count: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            // Safety: reads at most `count` bytes into the array of that size.
            let got = unsafe bytes.withUnsafeMutableBytes {
                unsafe Foundation.read(reader, $0.baseAddress, count)
            }
            return Array(bytes.prefix(max(0, got)))
        }
    }

    /// A file to which lines are appended.
    private final class File {
        let descriptor: Int32
        private let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder()
            descriptor = unsafe open(try folder.write("", to: "log"), O_WRONLY | O_APPEND)
            try #require(descriptor >= 0)
        }

        deinit { close(descriptor) }

        func lines() throws -> [Substring] {
            try String(contentsOfFile: folder.file("log"), encoding: .utf8).split(separator: "\n")
        }
    }

    @Test("a line arrives whole in a file")
    func file() throws {
        let file = try File()
        let logger = Logger(
            service: "s", level: .info, format: .json, sink: LogSink(descriptor: file.descriptor))
        logger.log(.info, "a.b", "one")
        logger.log(.info, "a.b", "two")
        let lines = try file.lines()
        #expect(lines.count == 2)
        for line in lines { _ = try JSONValue.parse(Array(line.utf8)) }
    }

    @Test("a reader that stands still costs one wait; then lines are dropped, and counted")
    func stalled() throws {
        let pipe = try Pipe()
        let clock = TestClock()
        let logger = Logger(
            service: "s", level: .debug, format: .json, sink: LogSink(descriptor: pipe.writer),
            now: clock.now)
        // A pipe holds 64 kB. Without the limit on waiting this loop would never end.
        for number in 0..<2_000 { logger.log(.debug, "a.b", "line \(number)") }
        #expect(logger.droppedCount > 0)
        let written = pipe.read(upTo: 1 << 20)
        #expect(written.last == UInt8(ascii: "\n"), "no line is torn")
        let lost = logger.droppedCount
        logger.log(.debug, "a.b", "after")
        let rest = String(decoding: pipe.read(upTo: 1 << 20), as: UTF8.self)
        #expect(rest.contains(#""event":"log.dropped""#))
        #expect(rest.contains("\"dropped.lines\":\(lost)}"))
        #expect(rest.hasSuffix("\"message\":\"after\"}\n"))
        #expect(logger.droppedCount == lost)
    }

    @Test("a closed descriptor loses lines and nothing else")
    func closed() {
        let logger = Logger(
            service: "s", level: .info, format: .json, sink: LogSink(descriptor: 1_000_000))
        logger.log(.error, "a.b", "x")
        logger.flush()
        #expect(logger.droppedCount == 1)
    }

    @Test("what is written to standard error is one line of JSON")
    func trapsStandardError() async throws {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardErrorContent]
        ) {
            Logger(service: "s", level: .info, format: .json).log(.info, "a.b", "to stderr")
            exit(0)
        }
        let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.contains("to stderr") })
        #expect(try JSONValue.parse(Array(line.utf8))["event"]?.string == "a.b")
    }

    @Test("lines of many threads never mix")
    func threads() async throws {
        let file = try File()
        let logger = Logger(
            service: "s", level: .debug, format: .json, sink: LogSink(descriptor: file.descriptor))
        await withTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for line in 0..<50 {
                        logger.log(.debug, "a.b", String(repeating: "\(task)", count: line))
                    }
                }
            }
        }
        let lines = try file.lines()
        #expect(lines.count == 400)
        for line in lines {
            let message = try JSONValue.parse(Array(line.utf8))["message"]?.string ?? "?"
            #expect(Set(message).count <= 1)
        }
    }
}
