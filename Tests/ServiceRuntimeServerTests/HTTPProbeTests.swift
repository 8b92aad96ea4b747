import Glibc
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite struct HTTPProbeTests {
    /// Sends the given bytes to the first client that connects, and optionally closes.
    private func answering(
        _ answer: String, closing: Bool = true
    ) throws -> (port: UInt16, thread: ServiceThread) {
        let listener = try RawListener()
        let port = listener.port
        let thread = try ServiceThread(name: "answers") {
            listener.answerOne(answer, closing: closing)
        }
        return (port, thread)
    }

    private func get(
        _ port: UInt16, timeout: Duration = .seconds(20)
    ) throws -> (status: Int, body: [UInt8]) {
        try HTTPProbe.get(host: "127.0.0.1", port: port, path: "/x?y=1", timeout: timeout)
    }

    @Test(
        "A complete answer is taken apart, with a length or up to the end",
        arguments: [
            ("HTTP/1.0 200 OK\r\n\r\nbody", 200, "body"),
            ("HTTP/1.1 503 Not Ready\r\nContent-Length: 4\r\n\r\nbody", 503, "body"),
            ("HTTP/1.1 204\r\ncontent-length:\t 0\r\n\r\n", 204, ""),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nbody", 200, "bo"),
            ("HTTP/1.1 200 \r\nX\r\n\r\n\r\n\r\n", 200, "\r\n\r\n"),
        ])
    func answers(text: String, status: Int, body: String) throws {
        let (port, thread) = try answering(text)
        let answer = try get(port)
        #expect(answer.status == status)
        #expect(String(decoding: answer.body, as: UTF8.self) == body)
        thread.join()
    }

    @Test("With a length it does not wait for the end of the connection")
    func keepsLength() throws {
        let (port, thread) = try answering(
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", closing: false)
        #expect(try get(port).status == 200)
        thread.join()
    }

    @Test(
        "What is no answer is an error, never a trap",
        arguments: [
            "", "\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 -1 X\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody",
        ])
    func malformed(text: String) throws {
        let (port, thread) = try answering(text)
        #expect(throws: ServiceError.self) { try get(port) }
        thread.join()
    }

    @Test("A header without end is given up")
    func endlessHeader() throws {
        let (port, thread) = try answering(
            "HTTP/1.1 200 OK\r\n" + String(repeating: "X: y\r\n", count: 20_000))
        let error = #expect(throws: ServiceError.self) { try get(port) }
        #expect(error?.description.contains("is not HTTP") == true)
        thread.join()
    }

    @Test("A server that says nothing is left at the deadline")
    func silent() throws {
        let listener = try RawListener()
        let error = #expect(throws: ServiceError.self) {
            try get(listener.port, timeout: .milliseconds(20))
        }
        #expect(error?.description.contains("no complete answer in time") == true)
        #expect(error?.isRetryable == true)
    }

    @Test("A port without a server, and a host that is no number, are clear errors")
    func nobody() throws {
        let port = freePort()
        let error = #expect(throws: ServiceError.self) { try get(port) }
        #expect(error?.description.contains("127.0.0.1:\(port)/x?y=1") == true)
        #expect(error?.description.contains("refused") == true)
        // The standard reserves this ending, so no host can have it.
        #expect(throws: ServiceError.unknownHost("nobody.invalid")) {
            try HTTPProbe.get(host: "nobody.invalid", port: 1, path: "/", timeout: .seconds(1))
        }
    }

    @Test("A name is looked up")
    func name() throws {
        let (port, thread) = try answering("HTTP/1.0 200 OK\r\n\r\nbody")
        // This tests the resolver and not our own shortcut, which knows the name only in lower
        // case.
        let answer = try HTTPProbe.get(
            host: "LOCALHOST", port: port, path: "/", timeout: patience)
        #expect(answer.status == 200)
        thread.join()
    }

    @Test("What is no path is not sent", arguments: ["", "x", "/a b", "/\r\nX: y", "/\u{7f}"])
    func noPath(path: String) {
        let error = #expect(throws: ServiceError.self) {
            try HTTPProbe.get(host: "127.0.0.1", port: 1, path: path, timeout: .seconds(1))
        }
        #expect(error?.description.contains("this is no path") == true)
        #expect(error?.description.contains("\n") == false)
    }

    @Test("All errors are one line that says what to do")
    func descriptions() {
        let code = SystemErrorCode(rawValue: EMFILE)
        let errors: [ServiceError] = [
            .threadNotStarted(name: "x", code), .system(operation: "x", code), .badAddress("x\ny"),
            .unknownHost("x\ny"),
            .portInUse(address: "x", port: 1), .listen(address: "x", port: 1, code),
            .probe(url: "x", problem: "y"), .spawn(program: "x", code),
            .logFile(path: "x", code),
        ]
        for error in errors {
            #expect(!error.description.contains("\n") && error.description.contains(":"))
        }
        #expect(errors.filter(\.isRetryable).count == 4)
        #expect(code.description == "Too many open files (errno 24)")
        #expect(SystemErrorCode(rawValue: 9_999).description.contains("9999"))
    }
}
