import TestSupport
import Testing
import ValkeyClient

@Suite("Faults")
struct FaultTests {
    @Test("a refused connection says so and can be tried again")
    func refused() {
        let configuration = ValkeyConfiguration(
            host: "127.0.0.1", port: freePort(), password: "hidden")
        let error = failure { () throws(ValkeyError) in _ = try ValkeyConnection(configuration) }
        guard case .connect(let peer, let reason) = error else {
            Issue.record("not a failure to connect: \(String(describing: error))")
            return
        }
        #expect(peer == configuration.peer && reason.contains("refused"))
        #expect(error?.isRetryable == true)
    }

    @Test("a name that does not resolve is a failure to connect")
    func unknownHost() {
        let configuration = ValkeyConfiguration(host: "no-such-host.invalid")
        let error = failure { () throws(ValkeyError) in _ = try ValkeyConnection(configuration) }
        guard case .connect = error else {
            Issue.record("not a failure to connect: \(String(describing: error))")
            return
        }
    }

    @Test(
        "a host that is a URL, or TLS, or holds a NUL is refused with the reason",
        arguments: [
            ("rediss://cache", "TLS"), ("redis://cache", "URL"), ("valkeys://cache", "TLS"),
            ("a\0b", "NUL"),
        ])
    func badHosts(host: String, word: String) {
        let configuration = ValkeyConfiguration(host: host)
        let error = failure { () throws(ValkeyError) in _ = try ValkeyConnection(configuration) }
        guard case .configuration(let problem) = error else {
            Issue.record("not refused: \(String(describing: error))")
            return
        }
        #expect(problem.contains(word))
    }

    @Test("a peer that accepts and says nothing runs into the deadline")
    func silentPeer() throws {
        let listener = try SilentListener()
        var configuration = ValkeyConfiguration(host: "127.0.0.1", port: listener.port)
        configuration.connectTimeout = .milliseconds(100)
        let error = failure { () throws(ValkeyError) in _ = try ValkeyConnection(configuration) }
        guard case .timeout(let operation, _, let after) = error else {
            Issue.record("not a time-out: \(String(describing: error))")
            return
        }
        #expect(operation == "connect" && after == .milliseconds(100))
    }

    @Test("a peer that is no Valkey is told apart")
    func strangePeer() throws {
        let postgres = try PostgresServer.shared()
        var configuration = ValkeyConfiguration(host: "127.0.0.1", port: postgres.port)
        configuration.connectTimeout = patience
        let error = failure { () throws(ValkeyError) in _ = try ValkeyConnection(configuration) }
        switch error {
        case .malformedReply, .connectionLost: break
        default: Issue.record("not told apart: \(String(describing: error))")
        }
    }

    @Test("a frozen server runs into our deadline; a new connection works when it is back")
    func frozen() throws {
        let server = try ValkeyServer()
        var configuration = server.configuration
        configuration.commandTimeout = .milliseconds(100)
        let first = try ValkeyConnection(configuration)
        let second = try ValkeyConnection(configuration)
        server.pause()
        let errors = [
            failure { () throws(ValkeyError) in try first.command(["PING"]) },
            failure { () throws(ValkeyError) in
                // More than the kernel's buffers on both sides hold.
                for _ in 0..<30 {
                    second.append(["SET", "k", .bytes([UInt8](repeating: 1, count: 1_000_000))])
                }
                _ = try second.replies(count: 30)
            },
        ]
        for error in errors {
            guard case .timeout(_, _, let after) = error else {
                Issue.record("not a time-out: \(String(describing: error))")
                continue
            }
            #expect(after == .milliseconds(100))
        }
        #expect(!first.isUsable && !second.isUsable)
        #expect(
            failure { () throws(ValkeyError) in try first.command(["PING"]) }
                == .closed(peer: configuration.peer))
        server.resume()
        let again = try ValkeyConnection(server.configuration)
        #expect(try again.command(["PING"]).text == "PONG")
    }

    @Test("a killed server loses its sessions, without a signal to us; a new one works")
    func killed() throws {
        let server = try ValkeyServer()
        let connection = try ValkeyConnection(server.configuration)
        server.kill()
        let error = failure { () throws(ValkeyError) in
            // The first write may still succeed on the closed socket.
            for _ in 0..<10 { try connection.command(["PING"]) }
        }
        guard case .connectionLost = error else {
            Issue.record("not lost: \(String(describing: error))")
            return
        }
        #expect(error?.isRetryable == true)
        #expect(!connection.isUsable)
        connection.append(["PING"])
        #expect(
            failure { () throws(ValkeyError) in _ = try connection.replies(count: 1) }
                == .closed(peer: server.configuration.peer))
        connection.close()
        try server.restart()
        let again = try ValkeyConnection(server.configuration)
        #expect(try again.command(["PING"]).text == "PONG")
    }

    @Test("a pipeline into a session that the server has ended fails as a whole")
    func endedByServer() throws {
        let server = try ValkeyServer()
        let connection = try ValkeyConnection(server.configuration)
        try server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        let error = failure { () throws(ValkeyError) in
            for _ in 0..<20 {
                connection.append(["SET", "k", .bytes([UInt8](repeating: 1, count: 1_000_000))])
            }
            _ = try connection.replies(count: 20)
        }
        guard case .connectionLost = error else {
            Issue.record("not lost: \(String(describing: error))")
            return
        }
    }
}
