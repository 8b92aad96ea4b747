import TestSupport
import Testing
import ValkeyClient

extension ValkeyServer {
    var configuration: ValkeyConfiguration {
        var configuration = ValkeyConfiguration(
            host: "127.0.0.1", port: port, password: ValkeyServer.password)
        configuration.connectTimeout = patience
        configuration.commandTimeout = patience
        return configuration
    }
}

/// Returns the error with which `body` ends. It has to fail.
func valkeyFailure(_ body: () throws -> Void) -> ValkeyError? {
    #expect(throws: ValkeyError.self) { try body() }
}

@Suite("Sessions and commands")
struct ConnectionTests {
    let server: ValkeyServer

    init() throws { server = try ValkeyServer() }

    @Test("every kind of reply")
    func replies() throws {
        let connection = try ValkeyConnection(server.configuration)
        #expect(try connection.command(["SET", "k", "v"]) == .status("OK"))
        #expect(try connection.command(["SET", "k", "v"]).text == "OK")
        #expect(try connection.command(["GET", "k"]) == .string(Array("v".utf8)))
        #expect(try connection.command(["GET", "k"]).text == "v")
        #expect(try connection.command(["GET", "none"]) == .null)
        #expect(try connection.command(["INCRBY", "n", 41]) == .integer(41))
        #expect(try connection.command(["MGET", "k", "none"]) == .array([.string([0x76]), .null]))
        #expect(
            try connection.command(["EVAL", "return {1, {2, 'x'}, {}}", 0])
                == .array([.integer(1), .array([.integer(2), .string([0x78])]), .array([])]))
        let refused = try connection.command(["NOSUCH"])
        #expect(refused.errorMessage?.contains("unknown command") == true)
        #expect(refused.text == nil && ValkeyReply.null.errorMessage == nil)
        #expect(try connection.command(["GET", "k"]).text == "v")
    }

    @Test("values are bytes: zeros, line ends, megabytes, nothing")
    func binary() throws {
        let connection = try ValkeyConnection(server.configuration)
        let all = (0...255).map { UInt8($0) } + Array("\r\n$5\r\n\0".utf8)
        let large = [UInt8](repeating: 0x7f, count: 5_000_000)
        for value in [all, [], large] {
            #expect(try connection.command(["SET", .bytes(all), .bytes(value)]) == .status("OK"))
            #expect(try connection.command(["GET", .bytes(all)]) == .string(value))
        }
        #expect(try connection.command(["SET", "☃", "Ünï"]) == .status("OK"))
        #expect(try server.cli("--raw", "GET", "☃") == "Ünï")
        #expect(try connection.command(["STRLEN", .bytes(all)]) == .integer(5_000_000))
    }

    @Test("one bad command in a pipeline stops none of the others")
    func pipeline() throws {
        let connection = try ValkeyConnection(server.configuration)
        try connection.command(["SET", "text", "x"])
        connection.append(["HSET", "hash", "a", 1, "b", .integer(.min)])
        connection.append(["HSET", "text", "a", 1])
        connection.append(["PEXPIRE", "hash", 300_000])
        connection.append(["HGETALL", "hash"])
        #expect(connection.pendingReplies == 4)
        // Replies may be fetched in parts.
        let first = try connection.replies(count: 2)
        #expect(first[0] == .integer(2))
        #expect(first[1].errorMessage?.hasPrefix("WRONGTYPE") == true)
        let rest = try connection.replies(count: 2)
        #expect(rest[0] == .integer(1))
        guard case .array(let fields) = rest[1] else {
            Issue.record("no array: \(rest[1])")
            return
        }
        #expect(fields.compactMap(\.text) == ["a", "1", "b", "-9223372036854775808"])
        #expect(connection.pendingReplies == 0)
    }

    @Test("a pipeline whose answers exceed every socket buffer does not lock up")
    func largePipeline() throws {
        let connection = try ValkeyConnection(server.configuration)
        let value = [UInt8](repeating: 0x61, count: 20_000)
        try connection.command(["SET", "k", .bytes(value)])
        for _ in 0..<1_500 { connection.append(["ECHO", .bytes(value)]) }
        let replies = try connection.replies(count: 1_500)
        #expect(replies.allSatisfy { $0 == .string(value) })
    }

    @Test("a pipeline beyond its limit is refused and nothing of it is sent")
    func pipelineFull() throws {
        let connection = try ValkeyConnection(server.configuration)
        for number in 0...ValkeyLimits.pipelineCommandsMax {
            connection.append(["SET", "full", .integer(Int64(number))])
        }
        let error = valkeyFailure { _ = try connection.replies(count: 1) }
        #expect(error?.caseName == "pipelineFull", "\(error as Any)")
        #expect(error.text.contains("\(ValkeyLimits.pipelineCommandsMax + 1)"))
        #expect(!connection.isUsable)
        #expect(try server.cli("EXISTS", "full") == "0")
    }

    @Test("an answer beyond the limit ends the session")
    func answerTooLarge() throws {
        let connection = try ValkeyConnection(server.configuration)
        try connection.command(["SETRANGE", "k", 80_000_000, "x"])
        let error = valkeyFailure { try connection.command(["GET", "k"]) }
        #expect(error?.caseName == "malformedReply", "\(error as Any)")
        #expect(!connection.isUsable)
    }

    @Test("user, database and client name are used")
    func introduction() throws {
        try server.cli("ACL", "SETUSER", "writer", "on", ">pw", "~*", "+@all")
        var configuration = server.configuration
        configuration.user = "writer"
        configuration.password = "pw"
        configuration.database = 5
        configuration.clientName = "store-writer"
        let connection = try ValkeyConnection(configuration)
        #expect(try connection.command(["ACL", "WHOAMI"]).text == "writer")
        #expect(try connection.command(["CLIENT", "GETNAME"]).text == "store-writer")
        try connection.command(["SET", "k", "v"])
        #expect(try server.cli("-n", "5", "GET", "k") == "v")
    }

    @Test("a database that does not exist fails the connecting")
    func wrongDatabase() throws {
        var configuration = server.configuration
        configuration.database = 9_999
        let error = valkeyFailure { _ = try ValkeyConnection(configuration) }
        #expect(error?.caseName == "connect", "\(error as Any)")
        #expect(error.text.contains("DB index"))
    }

    @Test("a wrong password, a wrong user and none at all are refused", arguments: 0..<3)
    func authentication(which: Int) throws {
        var configuration = server.configuration
        configuration.password = [nil, "wrong-secret", "wrong-secret"][which]
        configuration.user = [nil, nil, "nobody"][which]
        let error = valkeyFailure { _ = try ValkeyConnection(configuration) }
        #expect(error?.caseName == "authentication", "\(error as Any)")
        #expect(error.text.contains(configuration.peer))
        #expect(error?.isRetryable == false)
        #expect(!error.text.contains("wrong-secret"))
    }
}
