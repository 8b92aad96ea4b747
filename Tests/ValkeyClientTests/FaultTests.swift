import TestSupport
import Testing
import ValkeyClient

@Suite("Faults")
struct FaultTests {
    @Test("a refused connection says so and can be tried again")
    func refused() {
        let configuration = ValkeyConfiguration(
            host: "127.0.0.1", port: freePort(), password: "hidden")
        let error = valkeyFailure { _ = try ValkeyConnection(configuration) }
        #expect(error?.caseName == "connect", "\(error as Any)")
        #expect(error.text.contains(configuration.peer) && error.text.contains("refused"))
        #expect(error?.isRetryable == true)
    }

    @Test("a name that does not resolve is a failure to connect")
    func unknownHost() {
        let configuration = ValkeyConfiguration(host: "no-such-host.invalid")
        let error = valkeyFailure { _ = try ValkeyConnection(configuration) }
        #expect(error?.caseName == "connect", "\(error as Any)")
    }

    @Test(
        "a host that is a URL, or TLS, or holds a NUL is refused with the reason",
        arguments: [
            ("rediss://cache", "TLS"), ("redis://cache", "URL"), ("valkeys://cache", "TLS"),
            ("a\0b", "NUL"),
        ])
    func badHosts(host: String, word: String) {
        let configuration = ValkeyConfiguration(host: host)
        let error = valkeyFailure { _ = try ValkeyConnection(configuration) }
        #expect(error?.caseName == "configuration", "\(error as Any)")
        #expect(error.text.contains(word))
    }

    @Test("a peer that accepts and says nothing runs into the deadline")
    func silentPeer() throws {
        let listener = try SilentListener()
        var configuration = ValkeyConfiguration(host: "127.0.0.1", port: listener.port)
        configuration.connectTimeout = .milliseconds(100)
        let error = valkeyFailure { _ = try ValkeyConnection(configuration) }
        #expect(error?.caseName == "timeout", "\(error as Any)")
        #expect(error?.deadline == .milliseconds(100) && error.text.contains("connect"))
    }

    @Test("a peer that is no Valkey is told apart")
    func strangePeer() throws {
        let postgres = try PostgresServer.shared()
        var configuration = ValkeyConfiguration(host: "127.0.0.1", port: postgres.port)
        configuration.connectTimeout = patience
        let error = valkeyFailure { _ = try ValkeyConnection(configuration) }
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
            valkeyFailure { try first.command(["PING"]) },
            valkeyFailure {
                // More than the kernel's buffers on both sides hold.
                for _ in 0..<30 {
                    second.append(["SET", "k", .bytes([UInt8](repeating: 1, count: 1_000_000))])
                }
                _ = try second.replies(count: 30)
            },
        ]
        for error in errors {
            #expect(error?.caseName == "timeout", "\(error as Any)")
            #expect(error?.deadline == .milliseconds(100))
        }
        #expect(!first.isUsable && !second.isUsable)
        #expect(
            valkeyFailure { try first.command(["PING"]) }
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
        let error = valkeyFailure {
            // The first write may still succeed on the closed socket.
            for _ in 0..<10 { try connection.command(["PING"]) }
        }
        #expect(error?.caseName == "connectionLost", "\(error as Any)")
        #expect(error?.isRetryable == true)
        #expect(!connection.isUsable)
        connection.append(["PING"])
        #expect(
            valkeyFailure { _ = try connection.replies(count: 1) }
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
        let error = valkeyFailure {
            for _ in 0..<20 {
                connection.append(["SET", "k", .bytes([UInt8](repeating: 1, count: 1_000_000))])
            }
            _ = try connection.replies(count: 20)
        }
        #expect(error?.caseName == "connectionLost", "\(error as Any)")
    }
}
