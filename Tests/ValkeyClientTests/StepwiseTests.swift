import TestSupport
import Testing
import ValkeyClient

@Suite("Pipelines step by step")
struct StepwiseTests {
    /// Steps until everything is answered, and returns the answers.
    private func allReplies(
        _ connection: ValkeyConnection, wait: Duration = .milliseconds(5)
    ) throws(ValkeyError) -> [ValkeyReply] {
        var replies: [ValkeyReply] = []
        while connection.pendingReplies > 0 {
            try connection.advance(waitingAtMost: wait, into: &replies)
        }
        return replies
    }

    @Test("written commands arrive byte by byte, whatever the words hold")
    func commands() throws {
        let server = try ValkeyServer()
        let connection = try ValkeyConnection(server.configuration)
        let all = (0...255).map { UInt8($0) }
        var commands = ValkeyCommands()
        for _ in 0..<2 {
            commands.removeAll()
            commands.begin(words: 8)
            commands.append("HSET")
            commands.append(Array("ke".utf8), Array("y".utf8))
            commands.append("empty")
            commands.append([])
            commands.append(all)
            commands.append(Int64.min)
            commands.append { $0.append(contentsOf: all + all) }
            commands.append { _ in }
            #expect(commands.isComplete && commands.count == 1)
            commands.begin(words: 2)
            commands.append("HLEN")
            commands.append("key")
            connection.append(commands)
        }
        connection.append(["PING"])
        let replies = try allReplies(connection)
        #expect(replies == [.integer(3), .integer(3), .integer(0), .integer(3), .status("PONG")])
        #expect(try connection.command(["HGET", "key", .bytes(all)]).text == "\(Int64.min)")
        #expect(try connection.command(["HGET", "key", .bytes(all + all)]) == .string([]))
    }

    @Test("without a wait nothing is waited for; the answers come by later steps")
    func steps() throws {
        let server = try ValkeyServer()
        let connection = try ValkeyConnection(server.configuration)
        server.pause()
        connection.append(["PING"])
        var replies: [ValkeyReply] = []
        for _ in 0..<100 { try connection.advance(waitingAtMost: .zero, into: &replies) }
        #expect(replies.isEmpty && connection.pendingReplies == 1)
        server.resume()
        #expect(try allReplies(connection) == [.status("PONG")])
        // Nothing is due any more.
        try connection.advance(waitingAtMost: .seconds(60), into: &replies)
        #expect(try connection.command(["PING"]).text == "PONG")
    }

    @Test("more than all socket buffers hold, both ways")
    func large() throws {
        let server = try ValkeyServer()
        let connection = try ValkeyConnection(server.configuration)
        let value = [UInt8](repeating: 0x61, count: 20_000)
        for _ in 0..<1_500 { connection.append(["ECHO", .bytes(value)]) }
        let replies = try allReplies(connection)
        #expect(replies.count == 1_500 && replies.allSatisfy { $0 == .string(value) })
    }

    @Test("a frozen server runs into the deadline over all steps, and the session is over")
    func frozen() throws {
        let server = try ValkeyServer()
        var configuration = server.configuration
        configuration.commandTimeout = .milliseconds(100)
        let connection = try ValkeyConnection(configuration)
        server.pause()
        for _ in 0..<30 {
            connection.append(["SET", "k", .bytes([UInt8](repeating: 1, count: 1_000_000))])
        }
        let error = valkeyFailure { _ = try allReplies(connection, wait: .milliseconds(1)) }
        #expect(error?.caseName == "timeout", "\(error as Any)")
        #expect(error?.deadline == .milliseconds(100) && !connection.isUsable)
        server.resume()
    }

    @Test("a killed server ends the session at the next step")
    func killed() throws {
        let server = try ValkeyServer()
        let connection = try ValkeyConnection(server.configuration)
        connection.append(["BLPOP", "none", 0])
        var replies: [ValkeyReply] = []
        try connection.advance(waitingAtMost: .zero, into: &replies)
        server.kill()
        let error = valkeyFailure { _ = try allReplies(connection, wait: .milliseconds(100)) }
        #expect(error?.caseName == "connectionLost", "\(error as Any)")
        #expect(!connection.isUsable)
    }

    @Test("too much is refused before anything is sent")
    func overfull() throws {
        let server = try ValkeyServer()
        let connection = try ValkeyConnection(server.configuration)
        var commands = ValkeyCommands()
        for _ in 0...ValkeyLimits.pipelineCommandsMax {
            commands.begin(words: 3)
            commands.append("SET")
            commands.append("full")
            commands.append("1")
        }
        connection.append(commands)
        let error = valkeyFailure { _ = try allReplies(connection) }
        #expect(error?.caseName == "pipelineFull", "\(error as Any)")
        #expect(!connection.isUsable)
        #expect(try server.cli("EXISTS", "full") == "0")
    }

    @Test("traps a command that lacks words, and one that has too many")
    func trapsWords() async {
        await #expect(processExitsWith: .failure) {
            var commands = ValkeyCommands()
            commands.begin(words: 2)
            commands.append("GET")
            commands.begin(words: 1)
        }
        await #expect(processExitsWith: .failure) {
            var commands = ValkeyCommands()
            commands.begin(words: 1)
            commands.append("PING")
            commands.append("x")
        }
    }
}
