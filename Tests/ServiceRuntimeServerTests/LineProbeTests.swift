import TestSupport
import Testing

@testable import ServiceRuntime

@Suite struct LineProbeTests {
    private func ask(
        answer: String, closing: Bool = true, timeout: Duration = .seconds(20)
    ) throws -> String {
        let listener = try RawListener()
        let port = listener.port
        let thread = try ServiceThread(name: "answers") {
            listener.answerOne(answer, closing: closing)
        }
        defer { thread.join() }
        return try LineProbe.ask(
            host: "127.0.0.1", port: port, line: "status", timeout: timeout)
    }

    @Test("The answer ends with its line, whatever comes behind it")
    func answers() throws {
        #expect(try ask(answer: "ok: 1 connection\n") == "ok: 1 connection")
        #expect(try ask(answer: "ok\nmore", closing: false) == "ok")
        #expect(try ask(answer: "\n") == "")
    }

    @Test(
        "What is no line is an error",
        arguments: ["", "ok", "long"])
    func malformed(_ name: String) throws {
        let text =
            name == "long" ? String(repeating: "x", count: LineProbe.answerBytesMax + 1) : name
        #expect(throws: ServiceError.self) { try ask(answer: text) }
    }

    @Test("Nobody there is an error at once, silence one at the deadline")
    func nobody() throws {
        let listener = try RawListener()
        let silent = #expect(throws: ServiceError.self) {
            try LineProbe.ask(
                host: "127.0.0.1", port: listener.port, line: "status",
                timeout: .milliseconds(20))
        }
        #expect(silent?.description.contains("no complete answer in time") == true)
        #expect(throws: ServiceError.self) {
            try LineProbe.ask(
                host: "127.0.0.1", port: freePort(), line: "status", timeout: patience)
        }
    }
}
